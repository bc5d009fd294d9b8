"""Actor-critic learning by workers that share one network: A3C, and A2C as its synchronous form."""
