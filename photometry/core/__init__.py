"""The words every other room uses: statuses, errors, stamps, tasks, flags, coordinates."""
