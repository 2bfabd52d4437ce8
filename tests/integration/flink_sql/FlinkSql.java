import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.FileReader;
import java.io.InputStreamReader;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;
import org.apache.flink.table.api.TableResult;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs statements of Flink SQL in this process: FlinkSql PROPERTIES. A line of stdin is one statement, in base64.
 *
 * <p>Answers are lines that begin with `@`: `@row [kind, values]` for each row of a SELECT, then `@done`, or `@error`.
 * All other lines come from tables with the `print` connector.
 */
public final class FlinkSql {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] words) throws Exception {
        Properties properties = new Properties();
        try (FileReader reader = new FileReader(words[0])) {
            properties.load(reader);
        }
        Configuration configuration = new Configuration();
        properties.stringPropertyNames().forEach(name -> configuration.setString(name, properties.getProperty(name)));
        TableEnvironment tables =
                TableEnvironment.create(EnvironmentSettings.newInstance().withConfiguration(configuration).build());
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            try {
                run(tables, new String(Base64.getDecoder().decode(line), StandardCharsets.UTF_8));
                say("@done");
            } catch (Exception error) {
                Throwable cause = error;
                while (cause.getCause() != null) {
                    cause = cause.getCause();
                }
                say("@error " + JSON.writeValueAsString(String.valueOf(cause.getMessage())));
            }
        }
        System.exit(0);
    }

    private static void run(TableEnvironment tables, String statement) throws Exception {
        TableResult result = tables.executeSql(statement);
        if (!statement.startsWith("SELECT")) {
            return;
        }
        try (CloseableIterator<Row> rows = result.collect()) {
            while (rows.hasNext()) {
                Row row = rows.next();
                List<Object> values = new ArrayList<>();
                for (int index = 0; index < row.getArity(); index++) {
                    values.add(text(row.getField(index)));
                }
                say("@row " + JSON.writeValueAsString(List.of(row.getKind().shortString(), values)));
            }
        }
    }

    private static Object text(Object value) {
        if (value instanceof byte[]) {
            return HexFormat.of().formatHex((byte[]) value);
        }
        if (value instanceof BigDecimal) {
            return ((BigDecimal) value).toPlainString();
        }
        if (value instanceof Object[]) {
            List<Object> items = new ArrayList<>();
            for (Object item : (Object[]) value) {
                items.add(text(item));
            }
            return items;
        }
        return value == null ? null : value.toString();
    }

    private static void say(String line) {
        System.out.println(line);
    }
}
