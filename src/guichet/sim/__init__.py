"""The real routing engine on a virtual clock; workloads; checks against queueing theory."""
