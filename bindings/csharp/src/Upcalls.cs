using System;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;

namespace Sipo
{
    /// <summary>What the native library calls; csharp_host.hpp has the same signatures. No exception leaves
    /// these functions: it would unwind native frames.</summary>
    internal static class Upcalls
    {
        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int ProgressCall(IntPtr listener, long done, long total, ref IntPtr thrown);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int TokenCall(IntPtr listener, int token, IntPtr text, UIntPtr length, ref IntPtr thrown);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate int LogProbabilitiesCall(IntPtr listener, int token, float logProbability, IntPtr likeliest,
            IntPtr logProbabilities, UIntPtr count, ref IntPtr thrown);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void LogCall(IntPtr listener, int level, IntPtr line, UIntPtr length, ref IntPtr thrown);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void HandleCall(IntPtr handle);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        private delegate void FailCall(int status, IntPtr message, UIntPtr length);

        [StructLayout(LayoutKind.Sequential)]
        private struct Table
        {
            public ProgressCall Progress;
            public TokenCall Token;
            public LogProbabilitiesCall LogProbabilities;
            public LogCall Log;
            public HandleCall Release;
            public FailCall Fail;
            public HandleCall Rethrow;
        }

        [DllImport("sipo-csharp", EntryPoint = "sipo_csharp_register")]
        private static extern void Register(ref Table table);

        // Kept for ever: the native library has their addresses.
        private static Table table = new Table
        {
            Progress = OnProgress,
            Token = OnToken,
            LogProbabilities = OnLogProbabilities,
            Log = OnLog,
            Release = Release,
            Fail = OnFail,
            Rethrow = OnRethrow,
        };

        static Upcalls()
        {
            Register(ref table);
        }

        /// <summary>Called before the first native call; the work is done by then.</summary>
        public static void EnsureRegistered()
        {
        }

        /// <summary>The handle under which the native library knows a listener, and which it frees.</summary>
        public static IntPtr Listen(object listener)
        {
            return listener == null ? IntPtr.Zero : GCHandle.ToIntPtr(GCHandle.Alloc(listener));
        }

        /// <summary>Runs a native call; what a callback threw goes on with its own stack trace.</summary>
        public static T Call<T>(Func<T> call)
        {
            try
            {
                return call();
            }
            catch (CallbackException e)
            {
                ExceptionDispatchInfo.Capture(e.InnerException).Throw();
                throw;
            }
        }

        private sealed class CallbackException : Exception
        {
            public CallbackException(Exception thrown) : base(thrown.Message, thrown)
            {
            }
        }

        private static int OnProgress(IntPtr listener, long done, long total, ref IntPtr thrown)
        {
            try
            {
                return Target<ProgressListener>(listener)(done, total) ? 1 : 0;
            }
            catch (Exception e)
            {
                thrown = Listen(e);
                return 0;
            }
        }

        private static int OnToken(IntPtr listener, int token, IntPtr text, UIntPtr length, ref IntPtr thrown)
        {
            try
            {
                return Target<TokenListener>(listener)(new Token(token, Text(text, length))) ? 1 : 0;
            }
            catch (Exception e)
            {
                thrown = Listen(e);
                return 0;
            }
        }

        private static unsafe int OnLogProbabilities(IntPtr listener, int token, float logProbability, IntPtr likeliest,
            IntPtr logProbabilities, UIntPtr count, ref IntPtr thrown)
        {
            try
            {
                TokenProbability[] list = new TokenProbability[checked((int)count)];
                for (int i = 0; i < list.Length; ++i)
                {
                    list[i] = new TokenProbability(((int*)likeliest)[i], ((float*)logProbabilities)[i]);
                }
                return Target<LogProbabilitiesListener>(listener)(new TokenProbability(token, logProbability), list) ? 1 : 0;
            }
            catch (Exception e)
            {
                thrown = Listen(e);
                return 0;
            }
        }

        private static void OnLog(IntPtr listener, int level, IntPtr line, UIntPtr length, ref IntPtr thrown)
        {
            try
            {
                Target<LogListener>(listener)((LogLevel)level, Text(line, length));
            }
            catch (Exception e)
            {
                thrown = Listen(e);
            }
        }

        private static void Release(IntPtr handle)
        {
            GCHandle.FromIntPtr(handle).Free();
        }

        private static void OnFail(int status, IntPtr message, UIntPtr length)
        {
            Pend(new SipoException((Status)status, Text(message, length)));
        }

        private static void OnRethrow(IntPtr thrown)
        {
            Exception exception = Target<Exception>(thrown);
            Release(thrown);
            Pend(new CallbackException(exception));
        }

        /// <summary>Makes the native call of this thread throw when it has returned; the first reason
        /// counts.</summary>
        private static void Pend(Exception exception)
        {
            if (!NativeMethods.SWIGPendingException.Pending)
            {
                NativeMethods.SWIGPendingException.Set(exception);
            }
        }

        private static T Target<T>(IntPtr handle)
        {
            return (T)GCHandle.FromIntPtr(handle).Target;
        }

        private static unsafe string Text(IntPtr data, UIntPtr length)
        {
            return length == UIntPtr.Zero ? "" : Encoding.UTF8.GetString((byte*)data, checked((int)length));
        }
    }
}
