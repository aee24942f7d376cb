namespace Portmap.Rpc;

/// <summary>How long a <see cref="PortmapClient"/> waits for its daemon.</summary>
/// <remarks>
/// Read once by <see cref="PortmapClient.ConnectAsync"/>. Not safe for concurrent writes.
/// </remarks>
public sealed class PortmapClientOptions
{
    /// <summary>
    /// How long to wait until the daemon has accepted the connection and has answered for the first
    /// time.
    /// </summary>
    /// <value>
    /// More than 0 and at most 1 day, or <see cref="Timeout.InfiniteTimeSpan"/>. The default is 5 s.
    /// </value>
    /// <remarks>
    /// The kernel accepts connections for a daemon that is stopped or hangs. Only an answer shows
    /// that it serves.
    /// </remarks>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long to wait for the answer to one call.</summary>
    /// <value>
    /// More than 0 and at most 1 day, or <see cref="Timeout.InfiniteTimeSpan"/>. The default is 30 s.
    /// </value>
    /// <remarks>
    /// A change waits for the daemon's disk (<see cref="PortDurability.Confirmed"/>), so the limit
    /// is to be longer than the disk may take.
    /// </remarks>
    public TimeSpan CallTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>The clock of both limits.</summary>
    /// <value>The default is the system's.</value>
    public TimeProvider TimeProvider { get; set; } = TimeProvider.System;

    /// <exception cref="ArgumentOutOfRangeException">A limit is outside its bounds.</exception>
    internal void Check()
    {
        CheckTime(ConnectTimeout, nameof(ConnectTimeout));
        CheckTime(CallTimeout, nameof(CallTimeout));
    }

    /// <summary>What they are now, whatever is written to them later.</summary>
    internal PortmapClientOptions Copy() => (PortmapClientOptions)MemberwiseClone();

    private static void CheckTime(TimeSpan value, string name)
    {
        if (value != Timeout.InfiniteTimeSpan && (value <= TimeSpan.Zero || value > TimeSpan.FromDays(1)))
        {
            throw new ArgumentOutOfRangeException(name, value, $"{name} is {value}; choose a time above 0 and up to 1 day, or Timeout.InfiniteTimeSpan.");
        }
    }
}
