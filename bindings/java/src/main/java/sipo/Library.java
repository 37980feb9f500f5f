package sipo;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Loads the native library, once. */
final class Library {
    private static final String CORE = "libsipo.so.0";
    private static final String WRAPPER = "libsipo-jni.so";

    static {
        load();
    }

    private Library() {}

    /** Called before the first native call; the work is done by then. */
    static void ensureLoaded() {}

    private static void load() {
        String folder = System.getProperty("sipo.library.dir");
        if (folder != null) {
            System.load(Path.of(folder, WRAPPER).toAbsolutePath().toString());
            return;
        }
        try {
            System.loadLibrary("sipo-jni");
        } catch (UnsatisfiedLinkError notInstalled) {
            loadFromJar(notInstalled);
        }
    }

    /** The two libraries go into a folder of this user alone, and go away once they are loaded. */
    private static void loadFromJar(UnsatisfiedLinkError notInstalled) {
        try {
            Path folder = Files.createTempDirectory("sipo");
            Path core = folder.resolve(CORE);
            Path wrapper = folder.resolve(WRAPPER);
            try {
                unpack(core, notInstalled);
                unpack(wrapper, notInstalled);
                System.load(wrapper.toString());
            } finally {
                Files.deleteIfExists(wrapper);
                Files.deleteIfExists(core);
                Files.deleteIfExists(folder);
            }
        } catch (IOException e) {
            notInstalled.addSuppressed(e);
            throw notInstalled;
        }
    }

    private static void unpack(Path file, UnsatisfiedLinkError notInstalled) throws IOException {
        String architecture = System.getProperty("os.arch").replace("amd64", "x86-64");
        String name = "/native/linux-" + architecture + "/" + file.getFileName();
        try (InputStream packed = Library.class.getResourceAsStream(name)) {
            if (packed == null) {
                throw notInstalled;
            }
            Files.copy(packed, file);
        }
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] utf8) {
        return new String(utf8, StandardCharsets.UTF_8);
    }

    /** A size for the library, whose own are unsigned. */
    static long size(long value, String name) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " is " + value + " and must not be negative");
        }
        return value;
    }
}
