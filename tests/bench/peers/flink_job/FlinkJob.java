import java.io.FileReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** Runs statements of Flink SQL in a local cluster inside this process: FlinkJob PROPERTIES SQL PARALLELISM. */
public final class FlinkJob {
    public static void main(String[] words) throws Exception {
        Properties properties = new Properties();
        try (FileReader reader = new FileReader(words[0])) {
            properties.load(reader);
        }
        Configuration configuration = new Configuration();
        properties.stringPropertyNames().forEach(name -> configuration.setString(name, properties.getProperty(name)));
        StreamExecutionEnvironment environment =
                StreamExecutionEnvironment.createLocalEnvironment(Integer.parseInt(words[2]), configuration);
        StreamTableEnvironment tables = StreamTableEnvironment.create(environment);
        tables.getConfig().addConfiguration(configuration);
        for (String statement : Files.readString(Path.of(words[1])).split(";\\s*\n")) {
            // Only the last statement, the INSERT, has something to wait for.
            tables.executeSql(statement).await();
        }
    }
}
