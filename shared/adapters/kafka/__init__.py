"""Kafka by confluent-kafka: the upsert sink, the state log, the registry, topics and fencing."""
