import sys
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

bootstrap, command, topic, *rest = sys.argv[1:]

if command == 'produce':
    producer = Producer({'bootstrap.servers': bootstrap, 'enable.idempotence': True, 'compression.type': rest[0]})
    failed = []
    for line in sys.stdin.buffer.read().splitlines():
        key, value = line.split(b'\t', 1)
        producer.produce(topic, value, key, on_delivery=lambda error, _: error and failed.append(str(error)))
    assert producer.flush(30) == 0 and not failed, failed
elif command == 'consume':
    consumer = Consumer({'bootstrap.servers': bootstrap, 'group.id': rest[0], 'auto.offset.reset': 'earliest',
                         'enable.auto.commit': False})
    consumer.subscribe([topic])
    for _ in range(int(rest[1])):
        message = consumer.poll(30)
        assert message and not message.error(), message and message.error()
        sys.stdout.buffer.write(message.key() + b'\t' + message.value() + b'\n')
    consumer.commit(asynchronous=False)
    consumer.close()
else:
    admin = AdminClient({'bootstrap.servers': bootstrap})
    admin.create_topics([NewTopic(topic, 3, 1, config={'cleanup.policy': 'compact'})])[topic].result(20)
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(20)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    print(admin.describe_configs([resource])[resource].result(20)['cleanup.policy'].value)
    print(len(admin.list_topics(timeout=20).topics[topic].partitions))
    admin.delete_topics([topic])[topic].result(20)
    print(str(topic in admin.list_topics(timeout=20).topics).lower())
