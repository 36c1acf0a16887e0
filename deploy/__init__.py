"""How the service is deployed and watched."""
