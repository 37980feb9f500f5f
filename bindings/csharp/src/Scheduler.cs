using System;

namespace Sipo
{
    /// <summary>Many generations at once, for a server: any thread submits, and whoever holds a <see cref="Request"/>
    /// takes its tokens. One pass over the weights serves all requests, and a long prompt does not stall the others;
    /// see <see cref="Model.NewScheduler"/>. From all threads.</summary>
    public sealed class Scheduler : IDisposable
    {
        private readonly IntPtr model;
        private readonly NativeHandle handle;

        /// <summary>Ends the use of the model, at <paramref name="model"/>, when it is freed itself.</summary>
        internal Scheduler(NativeHandle ofModel, IntPtr model, IntPtr address)
        {
            this.model = model;
            handle = new NativeHandle(nameof(Scheduler), address, scheduler =>
            {
                Native.delete_Scheduler(scheduler);
                ofModel.DangerousRelease();
            });
        }

        /// <summary>Reads a prompt in a new session and generates after it. Listeners of the options are called on the
        /// scheduler's thread and must be quick; what one throws ends the request and comes out of
        /// <see cref="Request.Next(System.Threading.CancellationToken)"/>.</summary>
        /// <param name="ids">The prompt, 1 token or more.</param>
        /// <param name="maxTokens">1 to 2^40.</param>
        /// <param name="session">Its threads, workers and chunks are the scheduler's. Null for the defaults.</param>
        /// <param name="sampling">Null for greedy.</param>
        /// <exception cref="SipoException">Busy when the queue is full, OutOfRange (which token).</exception>
        public Request Submit(int[] ids, long maxTokens, SessionOptions session = null, SamplingOptions sampling = null)
        {
            Session.RequireNotNull(ids, nameof(ids));
            UIntPtr most = NativeHandle.Size(maxTokens, nameof(maxTokens));
            session = session ?? new SessionOptions();
            sampling = sampling ?? new SamplingOptions();
            Thrown thrown = new Thrown();
            return handle.Use(scheduler => session.Use(model, thrown.Guard(session.Progress), reading =>
                sampling.Use(thrown.Guard(sampling.LogProbabilities), generating =>
                    Session.Pin(ids, (data, count) => new Request(
                        Native.Scheduler_submit(scheduler, reading, generating, data, count, most), thrown)))));
        }

        /// <summary>Facts about the scheduler since it was made.</summary>
        public SchedulerStatistics Statistics =>
            handle.Use(scheduler => new SchedulerStatistics(NativeArray.Doubles(Native.Scheduler_statistics(scheduler))));

        /// <summary>Ends all requests, which give Cancelled after the tokens that they have, and frees the
        /// scheduler.</summary>
        public void Dispose()
        {
            handle.Dispose();
        }
    }
}
