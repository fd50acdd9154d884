"""The queue of tasks, the workers that run them and the dispatch between the two."""
