"""What happens to requests on fleets of workers, event by event, by RunPod's rules."""
