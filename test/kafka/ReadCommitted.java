import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Every committed record of the topics, from the first to what is the end now, by Kafka's own client: an independent
 * reader of what streamgauge wrote. One line per record: topic, partition, offset, timestamp, key, value, then header
 * names and values in turn, separated by tabs; bytes in Base64, "-" for null. First, for each partition, where it ends
 * for a read-committed reader: "end", topic, partition, offset.
 *
 *     java -cp 'libs/*' ReadCommitted.java host:port topic...
 */
public class ReadCommitted {
  public static void main(String[] args) {
    Properties properties = new Properties();
    properties.put("bootstrap.servers", args[0]);
    properties.put("isolation.level", "read_committed");
    properties.put("key.deserializer", ByteArrayDeserializer.class.getName());
    properties.put("value.deserializer", ByteArrayDeserializer.class.getName());
    StringBuilder out = new StringBuilder();
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties)) {
      List<TopicPartition> partitions = new ArrayList<>();
      for (int at = 1; at < args.length; at++) {
        for (PartitionInfo info : consumer.partitionsFor(args[at])) {
          partitions.add(new TopicPartition(info.topic(), info.partition()));
        }
      }
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
      for (Map.Entry<TopicPartition, Long> end : ends.entrySet()) {
        out.append("end\t").append(end.getKey().topic()).append('\t').append(end.getKey().partition());
        out.append('\t').append(end.getValue()).append('\n');
      }
      while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
          out.append(record.topic()).append('\t').append(record.partition()).append('\t').append(record.offset());
          out.append('\t').append(record.timestamp());
          out.append('\t').append(text(record.key())).append('\t').append(text(record.value()));
          for (Header header : record.headers()) {
            out.append('\t').append(header.key()).append('\t').append(text(header.value()));
          }
          out.append('\n');
        }
        System.out.print(out);
        out.setLength(0);
      }
    }
    System.out.print(out);
    System.out.flush();
  }

  private static String text(byte[] bytes) {
    return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
  }
}
