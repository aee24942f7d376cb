using System.Globalization;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>The changes of a day, a million: owners that are acquired, registered and released
/// again and again, each time on another port. It is the clock of that day, too.</summary>
internal sealed class Churn(int owners, int seed) : TimeProvider
{
    private static readonly TimeSpan s_perChange = TimeSpan.FromSeconds(86_400 / 1_000_000.0);
    private static readonly TimeSpan s_reuseDelay = TimeSpan.FromSeconds(60);
    private static readonly Guid s_boot = new("6b0f0f5c-2a66-4d43-8c5e-9a1f5b1f2d3e");

    private readonly Random _random = new(seed);
    private readonly PortFact?[] _claims = new PortFact?[owners];
    private readonly PortFactSet _facts = new();
    private DateTimeOffset _now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);
    private long _epoch;
    private int _port;

    public override DateTimeOffset GetUtcNow() => _now;

    public PortFact[] Next(int count)
    {
        PortFact[] batch = new PortFact[count];
        for (int i = 0; i < count; i++)
        {
            _now += s_perChange;
            int owner = _random.Next(owners);
            batch[i] = _claims[owner] = Next(_claims[owner], owner);
            _facts.Apply(batch[i]);
        }

        return batch;
    }

    /// <summary>How large the file may be now: four times what stands, or 1 MiB.</summary>
    public long Bound()
    {
        _facts.Forget(_now);
        return Math.Max(FilePortStore.AllowedLength, FilePortStore.AllowedRatio * (FactLine.Header.Length + _facts.Claims.Sum(fact => (long)FactLine.Measure(fact))));
    }

    private PortFact Next(PortFact? claim, int owner)
    {
        bool isNew = claim is null or { State: PortState.Cooling };
        PortState state = isNew ? PortState.Reserved : claim!.State + 1;
        return new PortFact
        {
            Owner = string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/b{owner}"),
            Port = isNew ? 49_152 + (_port++ % 16_384) : claim!.Port,
            Epoch = isNew ? _epoch += 16 : claim!.Epoch,
            State = state,
            ProcessId = state == PortState.Reserved ? 0 : 1_000 + owner,
            ProcessStart = state == PortState.Reserved ? 0 : 987_654,
            BootId = s_boot,
            At = _now,
            Until = state == PortState.Bound ? DateTimeOffset.UnixEpoch : _now + s_reuseDelay,
            Strategy = PortRegistryOptions.AllocatorPicks,
        };
    }
}
