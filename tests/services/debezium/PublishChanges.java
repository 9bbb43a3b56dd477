import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Debezium's embedded engine against one PostgreSQL table, its events published to Kafka. At least once: offsets are
 * kept after Kafka has acknowledged, so a kill repeats events, as it does with Kafka Connect.
 * Usage: java -cp CLASSES:'jars/*' PublishChanges HOST PORT USER DATABASE SCHEMA.TABLE KAFKA PREFIX SLOT OFFSETS SCHEMAS
 */
public class PublishChanges {
  public static void main(String[] a) throws Exception {
    Properties p = new Properties();
    p.setProperty("name", a[6]);
    p.setProperty("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
    p.setProperty("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
    p.setProperty("offset.storage.file.filename", a[8]);
    p.setProperty("offset.flush.interval.ms", "200");
    p.setProperty("database.hostname", a[0]);
    p.setProperty("database.port", a[1]);
    p.setProperty("database.user", a[2]);
    p.setProperty("database.password", "unused");
    p.setProperty("database.dbname", a[3]);
    p.setProperty("table.include.list", a[4]);
    p.setProperty("topic.prefix", a[6]);
    p.setProperty("plugin.name", "pgoutput");
    p.setProperty("slot.name", a[7]);
    p.setProperty("publication.name", a[7]);
    p.setProperty("publication.autocreate.mode", "filtered");
    p.setProperty("skipped.operations", "none");
    p.setProperty("heartbeat.interval.ms", "1000");
    p.setProperty("poll.interval.ms", "50");
    p.setProperty("errors.max.retries", "-1");
    p.setProperty("retriable.restart.connector.wait.ms", "500");
    p.setProperty("converter.schemas.enable", a[9]);
    Properties k = new Properties();
    k.setProperty("bootstrap.servers", a[5]);
    k.setProperty("linger.ms", "5");
    k.setProperty("acks", "all");
    k.setProperty("delivery.timeout.ms", "600000");
    KafkaProducer<String, String> producer =
        new KafkaProducer<>(k, new StringSerializer(), new StringSerializer());
    DebeziumEngine<ChangeEvent<String, String>> engine =
        DebeziumEngine.create(Json.class).using(p).notifying((events, committer) -> {
          AtomicReference<Exception> failed = new AtomicReference<>();
          for (ChangeEvent<String, String> e : events) {
            producer.send(new ProducerRecord<>(e.destination(), e.key(), e.value()), (meta, error) -> {
              if (error != null) failed.set(error);
            });
          }
          producer.flush();
          if (failed.get() != null) throw new RuntimeException(failed.get());
          for (ChangeEvent<String, String> e : events) committer.markProcessed(e);
          committer.markBatchFinished();
        }).using((success, message, error) -> {
          if (error != null) error.printStackTrace();
          System.exit(success ? 0 : 1);
        }).build();
    System.out.println("ready");
    engine.run();
  }
}
