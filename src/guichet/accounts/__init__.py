"""Who works where for whom: organisations, clients, sites, teams, agents, roles, sign-in, configuration."""
