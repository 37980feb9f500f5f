using System;

namespace Sipo
{
    /// <summary>Native copies of options, for the time of a call.</summary>
    internal static class NativeOptions
    {
        public delegate IntPtr TextSetter(IntPtr options, ref Utf8 text);

        /// <summary>Sets what is not null, and so not left at its default.</summary>
        public static void Set<T>(IntPtr options, T? value, Func<IntPtr, T, IntPtr> setter) where T : struct
        {
            if (value != null)
            {
                setter(options, value.Value);
            }
        }

        /// <summary>The same for a text.</summary>
        public static void Set(IntPtr options, string value, TextSetter setter)
        {
            if (value != null)
            {
                Utf8.Pass(value, nameof(value), text => setter(options, ref text));
            }
        }

        /// <summary>Calls <paramref name="use"/> with new options that <paramref name="fill"/> has set.</summary>
        public static T Use<T>(Func<IntPtr> create, Action<IntPtr> fill, Action<IntPtr> free, Func<IntPtr, T> use)
        {
            Upcalls.EnsureRegistered();
            IntPtr options = create();
            try
            {
                fill(options);
                return use(options);
            }
            finally
            {
                free(options);
            }
        }
    }
}
