"""The log and everything beside it: rows, followers, jobs, blobs, keys. SQL lives here and nowhere else."""
