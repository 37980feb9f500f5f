using System;
using System.Runtime.InteropServices;

namespace Sipo
{
    /// <summary>Owns an object of the native library: no call uses it after Dispose, and it is freed when the
    /// last call has returned.</summary>
    internal sealed class NativeHandle : SafeHandle
    {
        private readonly string what;
        private readonly Action<IntPtr> free;

        public NativeHandle(string what, IntPtr address, Action<IntPtr> free) : base(IntPtr.Zero, true)
        {
            this.what = what;
            this.free = free;
            SetHandle(address);
        }

        public override bool IsInvalid => handle == IntPtr.Zero;

        protected override bool ReleaseHandle()
        {
            free(handle);
            return true;
        }

        /// <summary>Begins a use, which DangerousRelease ends.</summary>
        public IntPtr Acquire()
        {
            bool held = false;
            try
            {
                DangerousAddRef(ref held);
            }
            catch (ObjectDisposedException)
            {
                throw new ObjectDisposedException(what);
            }
            return handle;
        }

        public T Use<T>(Func<IntPtr, T> call)
        {
            IntPtr address = Acquire();
            try
            {
                return Upcalls.Call(() => call(address));
            }
            finally
            {
                DangerousRelease();
            }
        }

        public void Use(Action<IntPtr> call)
        {
            Use(address =>
            {
                call(address);
                return true;
            });
        }

        /// <summary>A size for the library, whose own are unsigned.</summary>
        public static UIntPtr Size(long value, string name)
        {
            if (value < 0)
            {
                throw new ArgumentOutOfRangeException(name, value, name + " must not be negative");
            }
            return (UIntPtr)(ulong)value;
        }
    }
}
