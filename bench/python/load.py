"""Loads a Kafka broker through librdkafka and prints what it saw as one line of JSON.

load.py BOOTSTRAP TOPIC produce COUNT | consume COUNT | latency RATE SECONDS
"""
import json
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap, topic, mode, *numbers = sys.argv[1:]
value = b"x" * 1024
GIVE_UP_SECONDS = 30


def producer(linger_ms):
    return Producer({
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "linger.ms": linger_ms,
        "queue.buffering.max.messages": 200000,
    })


def consumer(offset):
    found = Consumer({"bootstrap.servers": bootstrap, "group.id": "load", "enable.auto.commit": False})
    found.assign([TopicPartition(topic, 0, offset)])
    return found


def failed(error, _message):
    if error is not None:
        sys.exit(str(error))


def produce(count):
    sender = producer(5)
    start = time.perf_counter()
    for _ in range(count):
        while True:
            try:
                sender.produce(topic, value, on_delivery=failed)
                break
            except BufferError:
                sender.poll(0.01)
        sender.poll(0)
    sender.flush()
    return {"seconds": time.perf_counter() - start}


def consume(count):
    reader = consumer(0)
    start = last = time.perf_counter()
    seen = 0
    while seen < count:
        for message in reader.consume(10000, 1.0):
            if message.error() is None:
                seen += 1
                last = time.perf_counter()
        if time.perf_counter() - last > GIVE_UP_SECONDS:
            sys.exit(f"{seen} of {count} records came, and then none for {GIVE_UP_SECONDS} s")
    return {"seconds": last - start}


def latency(rate, seconds):
    reader = consumer(-1)
    times = []
    stopping = threading.Event()

    def read():
        while not stopping.is_set():
            message = reader.poll(0.1)
            if message is not None and message.error() is None:
                times.append(time.perf_counter() - float(message.value()))

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(2)
    sender = producer(0)
    start = time.perf_counter()
    for i in range(rate * seconds):
        wait = start + i / rate - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
        sender.produce(topic, repr(time.perf_counter()).encode(), on_delivery=failed)
        sender.poll(0)
    sender.flush()
    time.sleep(1)
    stopping.set()
    thread.join()
    if len(times) < rate * seconds:
        sys.exit(f"{len(times)} of {rate * seconds} records came")
    # The first tenth warms up.
    times = sorted(times[len(times) // 10:])
    return {"p50": times[len(times) // 2] * 1000, "p99": times[len(times) * 99 // 100] * 1000, "seen": len(times)}


print(json.dumps({"produce": produce, "consume": consume, "latency": latency}[mode](*map(int, numbers))))
