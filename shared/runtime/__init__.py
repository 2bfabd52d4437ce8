"""What every process needs to start: logging, the Celery app, and the connections that a job's file describes."""
