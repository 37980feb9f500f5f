using System;
using System.Runtime.InteropServices;
using System.Text;

namespace Sipo
{
    /// <summary>Results of the native library: their size in bytes, the bytes, and freed when read.</summary>
    internal static class NativeArray
    {
        [DllImport("sipo-csharp", EntryPoint = "sipo_csharp_free")]
        private static extern void Free(IntPtr block);

        private static readonly int HeaderSize = IntPtr.Size;

        public static string Text(IntPtr block)
        {
            return Encoding.UTF8.GetString(Bytes(block));
        }

        public static int[] Ints(IntPtr block) => Read<int>(block, 4, Marshal.Copy);

        public static long[] Longs(IntPtr block) => Read<long>(block, 8, Marshal.Copy);

        public static float[] Floats(IntPtr block) => Read<float>(block, 4, Marshal.Copy);

        public static double[] Doubles(IntPtr block) => Read<double>(block, 8, Marshal.Copy);

        public static byte[] Bytes(IntPtr block) => Read<byte>(block, 1, Marshal.Copy);

        private static T[] Read<T>(IntPtr block, long elementSize, Action<IntPtr, T[], int, int> copy)
        {
            try
            {
                T[] values = new T[checked((int)((long)Marshal.ReadIntPtr(block) / elementSize))];
                if (values.Length > 0)
                {
                    copy(block + HeaderSize, values, 0, values.Length);
                }
                return values;
            }
            finally
            {
                Free(block);
            }
        }
    }
}
