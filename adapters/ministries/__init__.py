"""The ministries (Economy, Justice, Internal Affairs): protocols out and receipts back over Kafka (EHR-7)."""
