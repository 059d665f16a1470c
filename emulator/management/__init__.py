"""RunPod's management API: endpoints, templates, volumes and the catalog, over REST and GraphQL."""
