using System;
using System.Runtime.InteropServices;
using System.Text;

namespace Sipo
{
    /// <summary>Text on its way in, as csharp_host.hpp has it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Utf8
    {
        public IntPtr Data;
        public UIntPtr Size;

        /// <summary>Calls <paramref name="use"/> with the text, which stays in place during it.</summary>
        public static T Pass<T>(string text, string name, Func<Utf8, T> use)
        {
            if (text == null)
            {
                throw new ArgumentNullException(name);
            }
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            // Never empty: the address of an empty array is null.
            GCHandle pinned = GCHandle.Alloc(bytes.Length > 0 ? bytes : new byte[1], GCHandleType.Pinned);
            try
            {
                return use(new Utf8 { Data = pinned.AddrOfPinnedObject(), Size = (UIntPtr)(uint)bytes.Length });
            }
            finally
            {
                pinned.Free();
            }
        }
    }
}
