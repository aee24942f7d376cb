using System.Globalization;
using Portmap.Persistence;

namespace Portmap.Tests.Persistence;

/// <summary>A day of a small registry over a <see cref="SimulatedDisk"/>, which remembers what was
/// confirmed and what was only tried.</summary>
internal sealed class StoreScenario(SimulatedDisk disk) : IAsyncDisposable
{
    private const int Owners = 6;
    private const int Appends = 45;
    private const int AllowedLength = 2_048;

    private readonly FakeTimeProvider _time = new(DateTimeOffset.FromUnixTimeSeconds(1_790_000_000));
    private readonly List<PortFact> _confirmed = [];
    private readonly List<PortFact> _tried = [];
    private FilePortStore? _store;

    /// <summary>Opens, changes and reopens until the disk is gone or the day is over. What fails is
    /// done again, as the registry does.</summary>
    public async Task PlayAsync(int seed)
    {
        var random = new Random(seed);
        long epoch = 16;
        PortFact?[] claims = new PortFact?[Owners];
        await AgainAsync(OpenAsync);
        for (int i = 0; i < Appends && !disk.IsGone; i++)
        {
            List<PortFact> batch = random.Next(8) == 0 ? [PortFact.Mark(epoch += 1_024)] : [];
            for (int n = random.Next(3); n >= 0; n--)
            {
                int owner = random.Next(Owners);
                claims[owner] = Next(claims[owner], owner, ref epoch, random);
                batch.Add(claims[owner]!);
            }

            await AgainAsync(() => AppendAsync([.. batch]), () =>
            {
                // Again all of it, or only what has become of it since.
                if (random.Next(2) == 0)
                {
                    batch.RemoveRange(0, batch.Count - 1);
                }
            });
            await _store!.Compaction.Within();
            _time.Advance(TimeSpan.FromSeconds(random.Next(20)));
            if (random.Next(8) == 0 && !disk.IsGone)
            {
                await CloseAsync();
                await AgainAsync(OpenAsync);
            }
        }
    }

    public async Task OpenAsync() => Check(await LoadAsync());

    public async Task AppendAsync(params PortFact[] batch)
    {
        try
        {
            await _store!.AppendAsync(batch, CancellationToken.None).Within();
            _confirmed.AddRange(batch);
        }
        catch (PortRefusedException)
        {
            _tried.AddRange(batch);
            throw;
        }
    }

    /// <summary>Appends, and waits for the compaction that may begin with it; either may
    /// fail.</summary>
    public async Task TryAppendAsync(PortFact fact)
    {
        try
        {
            await AppendAsync(fact);
        }
        catch (PortRefusedException)
        {
            // told to the caller, who knows by that that it may or may not be there
        }

        await _store!.Compaction.Within();
    }

    public async Task CloseAsync() => await _store!.DisposeAsync().AsTask().Within();

    public async ValueTask DisposeAsync()
    {
        if (_store is not null)
        {
            await _store.DisposeAsync();
        }
    }

    /// <summary>Opens after a crash and compares with what was confirmed; then writes and opens
    /// once more, to see that the store goes on.</summary>
    /// <returns>What could not be read.</returns>
    public async Task<List<string>> ReopenAsync()
    {
        Loaded first = await LoadAsync();
        Check(first);

        // Whoever has loaded a fact relies on it, so it must survive from then on, whether it was
        // ever confirmed or not.
        _confirmed.AddRange(first.Facts.Claims);
        disk.LosePower();
        disk.Restart();
        Check(await LoadAsync());
        await AppendAsync(FactGen.Bound("afterwards", 60_000, 1_000_000));
        await CloseAsync();
        Loaded second = await LoadAsync();
        Check(second);
        second.Complaints.Should().BeEmpty("what could not be read was told the first time");
        await CloseAsync();
        return first.Complaints;
    }

    private async Task<Loaded> LoadAsync()
    {
        Loaded loaded = new(new PortFactSet(), []);
        _store = new FilePortStore(disk.Folder(), _time, AllowedLength);
        await _store.LoadAsync(loaded.Facts.Apply, loaded.Complaints.Add, CancellationToken.None).Within();
        return loaded;
    }

    private async Task AgainAsync(Func<Task> action, Action? afterFailure = null)
    {
        for (int attempt = 1; !disk.IsGone; attempt++)
        {
            try
            {
                await action();
                return;
            }
            catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.StoreFailed)
            {
                attempt.Should().Be(1, "the disk fails once, so the second attempt must succeed: {0}", e.Message);
                afterFailure?.Invoke();
            }
        }
    }

    /// <summary>What is loaded is what was confirmed, and any part of what was only
    /// tried.</summary>
    private void Check(Loaded loaded)
    {
        PortFactSet confirmed = FactGen.SetOf([.. _confirmed]);
        confirmed.Forget(_time.GetUtcNow());
        HashSet<string> known = [.. _confirmed.Concat(_tried).Select(FactGen.Line)];
        loaded.Facts.Claims.Select(FactGen.Line).Except(known).Should().BeEmpty("nothing is invented");
        (loaded.Facts.Mark?.Epoch ?? 0).Should().BeGreaterThanOrEqualTo(confirmed.Mark?.Epoch ?? 0, "epochs must not repeat");

        PortFactSet both = FactGen.SetOf([.. loaded.Facts.Claims, .. confirmed.Claims]);
        both.Forget(_time.GetUtcNow());
        PortFactSet alone = FactGen.SetOf([.. loaded.Facts.Claims]);
        alone.Forget(_time.GetUtcNow());
        FactGen.Lines(both).Should().Equal(FactGen.Lines(alone), "nothing confirmed is missing or outlived by something older");
    }

    private PortFact Next(PortFact? claim, int owner, ref long epoch, Random random)
    {
        bool isNew = claim is null or { State: PortState.Cooling };
        return new PortFact
        {
            Owner = string.Create(CultureInfo.InvariantCulture, $"vol0:/bricks/{new string('b', 40 * owner)}{owner}"),
            Port = isNew ? 50_000 + random.Next(3) + (3 * owner) : claim!.Port,
            Epoch = isNew ? epoch += 16 : claim!.Epoch,
            State = isNew ? PortState.Reserved : claim!.State == PortState.Reserved && random.Next(3) > 0 ? PortState.Bound : PortState.Cooling,
            ProcessId = 1_000 + owner,
            ProcessStart = 77,
            BootId = FactGen.Boot,
            At = _time.GetUtcNow(),
            Until = _time.GetUtcNow().AddSeconds(30),
            Strategy = PortRegistryOptions.AllocatorPicks,
        };
    }

    private sealed record Loaded(PortFactSet Facts, List<string> Complaints);
}
