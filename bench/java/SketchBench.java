import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.datasketches.hll.HllSketch;
import org.apache.datasketches.hll.TgtHllType;
import org.apache.datasketches.kll.KllDoublesSketch;

/**
 * CPU nanoseconds per value of Apache DataSketches for Java over the little-endian doubles of a file, the best of some
 * rounds: {@code SketchBench kll|hll FILE}. The first rounds compile the code, and do not count.
 */
public class SketchBench {
  static final int WARM_ROUNDS = 8;
  static final int ROUNDS = 5;

  public static void main(String[] args) throws Exception {
    var bytes = ByteBuffer.wrap(Files.readAllBytes(Path.of(args[1]))).order(ByteOrder.LITTLE_ENDIAN);
    var values = new double[bytes.remaining() / 8];
    bytes.asDoubleBuffer().get(values);
    double best = Double.MAX_VALUE;
    double estimate = 0;
    for (int round = -WARM_ROUNDS; round < ROUNDS; round++) {
      long start = cpuNs();
      estimate = args[0].equals("kll") ? kll(values) : hll(values);
      if (round >= 0) best = Math.min(best, (cpuNs() - start) / (double) values.length);
    }
    System.out.println("{\"nsPerValue\":" + best + ",\"estimate\":" + estimate + "}");
  }

  static double kll(double[] values) {
    var sketch = KllDoublesSketch.newHeapInstance(200);
    for (double value : values) sketch.update(value);
    return sketch.getQuantile(0.5);
  }

  static double hll(double[] values) {
    var sketch = new HllSketch(12, TgtHllType.HLL_8);
    for (double value : values) sketch.update(value);
    return sketch.getEstimate();
  }

  /** Of this thread: what the compiler and the collector take is not the sketch's. */
  static long cpuNs() {
    return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
  }
}
