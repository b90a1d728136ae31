import sys
from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic

bootstrap, command, topic, *rest = sys.argv[1:]

if command == 'produce':
    codec = None if rest[0] == 'none' else rest[0]
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks='all', compression_type=codec)
    futures = []
    for line in sys.stdin.buffer.read().splitlines():
        key, value = line.split(b'\t', 1)
        futures.append(producer.send(topic, key=key, value=value))
    producer.flush(30)
    for future in futures:
        future.get(30)
    producer.close()
elif command == 'consume':
    group, count = rest[0], int(rest[1])
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, auto_offset_reset='earliest',
                             enable_auto_commit=False, max_poll_records=1, consumer_timeout_ms=30000)
    for _ in range(count):
        message = next(consumer)
        sys.stdout.buffer.write(message.key + b'\t' + message.value + b'\n')
    consumer.commit()
    consumer.close()
else:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    admin.create_topics([NewTopic(topic, 3, 1, topic_configs={'cleanup.policy': 'compact'})])
    admin.create_partitions({topic: NewPartitions(5)})
    described = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
    print(str('compact' if "'compact'" in str(described) else described))
    print(len(admin.describe_topics([topic])[0]['partitions']))
    admin.delete_topics([topic])
    print(str(topic in admin.list_topics()).lower())
    admin.close()
