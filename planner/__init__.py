"""Which shape, how warm, and at what cost: answers from traffic, prices and measurements."""
