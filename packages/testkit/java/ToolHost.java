// Runs Kafka's command line tools one after the other in one JVM, since starting a JVM takes longer than most of them run.
// Reads one command a line from standard input: fields separated by tabs, each percent-encoded:
//   main class, standard input, arguments...
// and answers each with one line: exit code, standard output, standard error, in the same form. A command that does not
// end within a minute is answered with exit code -1.
import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.net.URLDecoder;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.apache.kafka.common.utils.Exit;

public class ToolHost {
  static final int DEADLINE_MS = 60_000;

  /** One tool under way: ends when its main returns, or when it asks to exit. */
  static final class Command {
    final CountDownLatch ended = new CountDownLatch(1);
    volatile int exitCode = -1;

    void end(int code) {
      if (ended.getCount() == 0) return;
      exitCode = code;
      ended.countDown();
    }
  }

  static volatile Command current;
  static final List<Runnable> hooks = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    PrintStream answers = System.out;
    Exit.Procedure end = (code, message) -> {
      // As System.exit would: nothing behind it runs. Its thread sleeps until the JVM ends.
      current.end(code);
      while (true) LockSupport.park();
    };
    Exit.setExitProcedure(end);
    Exit.setHaltProcedure(end);
    Exit.setShutdownHookAdder((name, hook) -> {
      synchronized (hooks) {
        hooks.add(hook);
      }
    });
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
      String[] fields = line.split("\t", -1);
      for (int i = 0; i < fields.length; i++) fields[i] = URLDecoder.decode(fields[i], StandardCharsets.UTF_8);
      answers.println(run(fields));
      answers.flush();
    }
  }

  static String run(String[] fields) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ByteArrayOutputStream err = new ByteArrayOutputStream();
    System.setIn(new ByteArrayInputStream(fields[1].getBytes(StandardCharsets.UTF_8)));
    System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
    System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
    Command command = new Command();
    current = command;
    hooks.clear();
    String[] arguments = Arrays.copyOfRange(fields, 2, fields.length);
    Thread thread = new Thread(() -> {
      try {
        Class.forName(fields[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
        command.end(0);
      } catch (InvocationTargetException thrown) {
        thrown.getCause().printStackTrace();
        command.end(1);
      } catch (ReflectiveOperationException thrown) {
        thrown.printStackTrace();
        command.end(1);
      }
    }, "main");
    thread.setDaemon(true);
    thread.start();
    command.ended.await(DEADLINE_MS, TimeUnit.MILLISECONDS);
    List<Runnable> due;
    synchronized (hooks) {
      due = new ArrayList<>(hooks);
    }
    for (Runnable hook : due) {
      Thread closing = new Thread(hook);
      closing.setDaemon(true);
      closing.start();
      closing.join(DEADLINE_MS);
    }
    int code = command.exitCode;
    return code + "\t" + encode(out) + "\t" + encode(err);
  }

  static String encode(ByteArrayOutputStream text) {
    return URLEncoder.encode(text.toString(StandardCharsets.UTF_8), StandardCharsets.UTF_8).replace("+", "%20");
  }
}
