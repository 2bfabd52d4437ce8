"""The hands: read MySQL, write Kafka."""
