"""ApsaraMQ for Kafka by Alibaba's own SDK: its API makes topics there, in place of Kafka's admin protocol.

Map: `account` says whose instance, `rules` what the service takes (pure), `service` is the SDK, one request at a time,
`maker` drives it until a topic is there. The SDK is an extra and is imported when the first request goes out.
"""
