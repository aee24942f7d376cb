using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace Portmap.Tests.Hosting;

/// <summary>The host's own code that a registry calls: which of it throws, and at which of its
/// calls.</summary>
public enum HostCode
{
    Logger,
    MeterListener,
    Strategy,
    Clock,
    Timer,
}

/// <summary>Counts the calls of one kind of host code, and throws at one of them or at
/// all.</summary>
internal sealed class HostFault(HostCode code, int throwAt)
{
    public const int Never = -1, Always = 0;

    private int _calls;

    public int Calls => Volatile.Read(ref _calls);

    /// <summary>Off while the scene is made: a host that cannot even make its registry is told so
    /// by the exception.</summary>
    public bool IsOn { get; set; }

    public void Met(HostCode which)
    {
        if (which != code || !IsOn)
        {
            return;
        }

        int call = Interlocked.Increment(ref _calls);
        if (throwAt == Always || call == throwAt)
        {
            throw new InvalidOperationException(FormattableString.Invariant($"The host's {code} fails at call {call}."));
        }
    }

    public sealed class Sink(HostFault fault) : ILogger<PortRegistry>
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel)
        {
            fault.Met(HostCode.Logger);
            return true;
        }

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            fault.Met(HostCode.Logger);
    }

    /// <summary>Hears the meter of all registries of the process, and fails only for what this flow
    /// of control does.</summary>
    public sealed class Listener : IDisposable
    {
        private static readonly AsyncLocal<HostFault?> s_here = new();
        private readonly MeterListener _listener = new();

        public Listener(HostFault fault)
        {
            s_here.Value = fault;
            _listener.InstrumentPublished = static (instrument, listener) =>
            {
                if (instrument.Meter.Name == "Portmap")
                {
                    listener.EnableMeasurementEvents(instrument);
                }
            };
            _listener.SetMeasurementEventCallback<long>(static (_, _, _, _) => s_here.Value?.Met(HostCode.MeterListener));
            _listener.Start();
        }

        public void Dispose()
        {
            s_here.Value = null;
            _listener.Dispose();
        }
    }

    public sealed class Strategy(HostFault fault) : IPortAllocationStrategy
    {
        public string Name => "Faulty";

        public int Pick(PortSearch search)
        {
            fault.Met(HostCode.Strategy);
            return search.FindFree(search.Ports[0].First);
        }
    }

    public sealed class Time(HostFault fault) : FakeTimeProvider
    {
        public override long GetTimestamp()
        {
            fault.Met(HostCode.Clock);
            return base.GetTimestamp();
        }

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            fault.Met(HostCode.Timer);
            return base.CreateTimer(callback, state, dueTime, period);
        }
    }
}
