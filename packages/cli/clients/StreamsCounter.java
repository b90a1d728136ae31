// A Kafka Streams application under exactly_once_v2: counts the records of each key of topic `words` in a state store
// and writes each new count to topic `counts`. Arguments: bootstrap servers, folder of its state. Runs until it is killed.
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

public class StreamsCounter {
  public static void main(String[] args) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("state.dir", args[1]);
    properties.put("application.id", "counter");
    properties.put("processing.guarantee", "exactly_once_v2");
    properties.put("commit.interval.ms", "100");
    properties.put("replication.factor", "1");
    properties.put("consumer.auto.offset.reset", "earliest");
    // A killed instance is missed soon; its open transaction ends before it blocks the next one for long.
    properties.put("consumer.session.timeout.ms", "6000");
    properties.put("producer.transaction.timeout.ms", "10000");
    properties.put("default.key.serde", Serdes.StringSerde.class.getName());
    properties.put("default.value.serde", Serdes.StringSerde.class.getName());
    // Every count is written, not only the last before a commit.
    properties.put("statestore.cache.max.bytes", "0");
    StreamsBuilder builder = new StreamsBuilder();
    builder.<String, String>stream("words")
        .groupByKey()
        .count(Materialized.as("counts-store"))
        .toStream()
        .mapValues(count -> Long.toString(count))
        .to("counts", Produced.with(Serdes.String(), Serdes.String()));
    KafkaStreams streams = new KafkaStreams(builder.build(), properties);
    streams.setUncaughtExceptionHandler(error -> {
      error.printStackTrace();
      return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
    });
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
  }
}
