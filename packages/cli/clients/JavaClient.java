// The Java client as a command; see README.md.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class JavaClient {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    String topic = args[2];
    switch (args[1]) {
      case "produce" -> produce(properties, topic, args[3]);
      case "consume" -> consume(properties, topic, args[3], Integer.parseInt(args[4]));
      default -> admin(properties, topic);
    }
  }

  static void produce(Properties properties, String topic, String codec) throws Exception {
    properties.put("compression.type", codec);
    List<Future<?>> sent = new ArrayList<>();
    try (var producer = new KafkaProducer<>(properties, new StringSerializer(), new StringSerializer())) {
      var input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = input.readLine(); line != null; line = input.readLine()) {
        int at = line.indexOf('\t');
        sent.add(producer.send(new ProducerRecord<>(topic, line.substring(0, at), line.substring(at + 1))));
      }
      producer.flush();
    }
    for (Future<?> each : sent) each.get();
  }

  static void consume(Properties properties, String topic, String group, int count) {
    properties.put("group.id", group);
    properties.put("auto.offset.reset", "earliest");
    properties.put("enable.auto.commit", "false");
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    try (var consumer = new KafkaConsumer<>(properties, new StringDeserializer(), new StringDeserializer())) {
      consumer.subscribe(List.of(topic));
      long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
      Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>();
      int left = count;
      while (left > 0) {
        if (System.nanoTime() > deadline) throw new IllegalStateException(left + " records did not come");
        for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(500))) {
          if (left-- <= 0) break;
          out.println(record.key() + "\t" + record.value());
          read.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
      }
      consumer.commitSync(read);
    }
  }

  static void admin(Properties properties, String topic) throws Exception {
    try (Admin admin = Admin.create(properties)) {
      NewTopic wanted = new NewTopic(topic, 3, (short) 1).configs(Map.of("cleanup.policy", "compact"));
      admin.createTopics(List.of(wanted)).all().get();
      admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(5))).all().get();
      ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
      var configs = admin.describeConfigs(List.of(resource)).all().get().get(resource);
      System.out.println(configs.get("cleanup.policy").value());
      System.out.println(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size());
      admin.deleteTopics(List.of(topic)).all().get();
      System.out.println(admin.listTopics().names().get().contains(topic));
    }
  }
}
