using Portmap.Tool.Output;

namespace Portmap.Tool.Live;

/// <summary>How many changes of each kind there were of late.</summary>
/// <remarks>Used by one thread at a time.</remarks>
internal sealed class Rates(TimeProvider time)
{
    private static readonly TimeSpan s_window = TimeSpan.FromSeconds(10);

    private readonly Queue<(long At, PortChangeKind Kind)> _changes = [];
    private readonly long _started = time.GetTimestamp();

    public void Add(PortChangeKind kind) => _changes.Enqueue((time.GetTimestamp(), kind));

    /// <summary>Such as <c>acquired 1.2/s, died 0.1/s</c>.</summary>
    /// <remarks>Over the last 10 s, or since the start.</remarks>
    public override string ToString()
    {
        while (_changes.TryPeek(out (long At, PortChangeKind) oldest) && time.GetElapsedTime(oldest.At) > s_window)
        {
            _changes.Dequeue();
        }

        double seconds = Math.Clamp(time.GetElapsedTime(_started).TotalSeconds, 1, s_window.TotalSeconds);
        return _changes.Count == 0
            ? "no changes"
            : string.Join(", ", _changes.CountBy(change => change.Kind).OrderBy(pair => pair.Key).Select(pair => Words.Text($"{Words.Of(pair.Key)} {pair.Value / seconds:0.0}/s")));
    }
}
