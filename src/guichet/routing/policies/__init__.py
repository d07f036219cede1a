"""One file per policy. Each exports NAME, VERSION, `pick_agent(task, candidates)` and `pick_task(agent, heads)`,
pure and deterministic; see `routing.policy` for the types and for `rank`, which lets the index serve a policy.
"""
