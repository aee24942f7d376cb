using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>An opening that is given up has no hand on the disk any more, wherever it was, and a
/// second one is safe.</summary>
public sealed class GivenUpOpeningTests
{
    private static readonly DiskOperation[] s_changes = [DiskOperation.Take, DiskOperation.Create, DiskOperation.Write, DiskOperation.Truncate, DiskOperation.Rename, DiskOperation.Delete];

    private readonly FakeTimeProvider _clock = new(DateTimeOffset.FromUnixTimeSeconds(1_790_000_000));
    private readonly Guid _boot = Guid.NewGuid();

    [Theory]
    [InlineData("new")]
    [InlineData("whole")]
    [InlineData("damaged")]
    [InlineData("torn")]
    public async Task OpenAsync_GivenUpAtAnyOperation_TakesNothingFromTheNextOne(string state)
    {
        int held = 1;
        while (await IsReachedAsync(state, held))
        {
            held++;
        }

        held.Should().BeGreaterThan(6, "an opening has that many operations at least");
    }

    [Theory]
    [InlineData("Load", false)]
    [InlineData("Load", true)]
    [InlineData("Append", false)]
    [InlineData("Append", true)]
    public async Task OpenAsync_GivenUpWhileAStoreIsBusy_DisposesItOnlyAfterwards(string member, bool byTheCaller)
    {
        TaskCompletionSource reached = new(TaskCreationOptions.RunContinuationsAsynchronously), goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        WatchedStore store = new(new FakePortStore())
        {
            Before = async called =>
            {
                if (called == member)
                {
                    reached.SetResult();
                    await goesOn.Task;   // heeds no token
                }
            },
        };
        using CancellationTokenSource caller = new();
        Task<PortRegistry> opening = PortRegistry.OpenAsync(Options(), store, timeProvider: _clock, cancellationToken: caller.Token);
        await reached.Task.Within();
        if (byTheCaller)
        {
            await caller.CancelAsync();
            await FluentActions.Awaiting(() => opening.Within()).Should().ThrowAsync<OperationCanceledException>();
        }
        else
        {
            _clock.Advance(TimeSpan.FromSeconds(2));
            (await opening.RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "OpenTimeout");
        }

        store.Disposed.IsCompleted.Should().BeFalse("a call of it is under way");
        goesOn.SetResult();
        await store.Disposed.Within();
        store.WereTwoAtATime.Should().BeFalse();
    }

    [Theory]
    [InlineData("Load")]
    [InlineData("Append")]
    public async Task OpenAsync_StoreThrowsATimeoutOfItsOwn_IsToldAsThat(string member)
    {
        WatchedStore store = new(new FakePortStore())
        {
            Before = called => called == member ? Task.FromException(new TimeoutException("The database did not answer within 3 s.")) : Task.CompletedTask,
        };

        PortRefusal refusal = await PortRegistry.OpenAsync(Options(), store, timeProvider: _clock).RefusalAsync();

        refusal.ShouldExplain(PortRefusalReason.StoreFailed, "The database did not answer within 3 s");
        refusal.Message.Should().NotContain("OpenTimeout");
        await store.Disposed.Within();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task OpenAsync_OptionsAreWrong_GivesTheStoreUp(bool disposeThrows)
    {
        WatchedStore store = new(new FakePortStore()) { Before = called => disposeThrows ? throw new InvalidOperationException(called) : Task.CompletedTask };
        PortRegistryOptions options = Options();
        options.MaxOwners = 0;

        await FluentActions.Awaiting(() => PortRegistry.OpenAsync(options, store, timeProvider: _clock).Within())
            .Should().ThrowAsync<Microsoft.Extensions.Options.OptionsValidationException>();

        store.Disposed.IsCompleted.Should().BeTrue("it is given up, also when opening fails");
    }

    [Fact]
    public async Task OpenAsync_NoOptions_GivesTheStoreUp()
    {
        WatchedStore store = new(new FakePortStore());

        await FluentActions.Awaiting(() => PortRegistry.OpenAsync(null!, store).Within()).Should().ThrowAsync<ArgumentNullException>();

        store.Disposed.IsCompleted.Should().BeTrue();
    }

    [Fact]
    public async Task OpenAsync_CancellationCallbackOfTheStoreThrows_TheRefusalIsTheSame()
    {
        WatchedStore store = new(new ThrowingCallbackStore());
        Task<PortRegistry> opening = PortRegistry.OpenAsync(Options(), store, timeProvider: _clock);
        _clock.Advance(TimeSpan.FromSeconds(2));
        (await opening.RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "OpenTimeout");
        await store.Disposed.Within();
    }

    /// <summary>The store lets go as it is told, and a busy host may have no thread for that for
    /// more than the moment for which its call is waited for.</summary>
    [Fact]
    public async Task GiveUpAsync_TheStoreIsToldLate_EndsOnlyAfterItWasTold()
    {
        HeldCallbackStore store = new();
        using StoreOpening opening = new(store, CancellationToken.None, _clock);
        Task<OpenedStore> begun = opening.Begin(new(_boot, _clock.GetUtcNow(), 16, 64), TimeSpan.Zero, host: null);
        await store.Loading.Within();

        Task givenUp = opening.GiveUpAsync();
        await store.Told.Within();
        _clock.Advance(TimeSpan.FromSeconds(2));
        givenUp.IsCompleted.Should().BeFalse("the store still has its hand on the disk");

        store.GoesOn();
        await givenUp.Within();
        await FluentActions.Awaiting(() => begun.Within()).Should().ThrowAsync<OperationCanceledException>();
    }

    /// <summary>Its folder may be of a medium that hangs.</summary>
    [Fact]
    public async Task GiveUpAsync_WhatTheStoreDoesAsItIsToldHangs_EndsAllTheSame()
    {
        HeldCallbackStore store = new();
        using StoreOpening opening = new(store, CancellationToken.None, _clock);
        _ = opening.Begin(new(_boot, _clock.GetUtcNow(), 16, 64), TimeSpan.Zero, host: null);
        await store.Loading.Within();

        Task givenUp = opening.GiveUpAsync();
        await store.Told.Within();
        await Eventually.TrueAsync(() =>
        {
            _clock.Advance(TimeSpan.FromSeconds(10));   // more than once: it waits twice
            return givenUp.IsCompleted;
        });

        store.GoesOn();
    }

    private static PortRegistryOptions Options() => new()
    {
        Ports = "20000-20099",
        Strategy = PortRegistryOptions.AllocatorPicks,
        Probe = false,
        OpenTimeout = TimeSpan.FromSeconds(1),
    };

    private async Task<bool> IsReachedAsync(string state, int held)
    {
        using SimulatedDisk disk = new();
        await PrepareAsync(disk, state);
        int count = 0;
        DiskOperation heldAt = DiskOperation.Read;
        using SimulatedDisk.Held hold = disk.Hold((operation, _) =>
        {
            heldAt = operation;
            return ++count == held;
        });
        WatchedStore abandoned = new(new FilePortStore(disk.Folder(), _clock));
        Task<PortRegistry> opening = OpenAsync(abandoned);
        await Task.WhenAny(hold.Reached, opening).Within();
        if (!hold.Reached.IsCompleted)
        {
            disk.Release();
            await (await opening).DisposeAsync().AsTask().Within();
            return false;
        }

        DiskOperation at = heldAt;
        _clock.Advance(TimeSpan.FromSeconds(2));
        (await opening.RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "OpenTimeout");

        bool isFree = true;
        PortRegistry? second = await TryOpenAsync(disk);
        if (second is null)
        {
            s_changes.Should().Contain(at, "only a change that is under way keeps the next one out, not operation {0}", held);
            isFree = false;
            disk.Release();
            await abandoned.Disposed.Within();
            second = await TryOpenAsync(disk);
            second.Should().NotBeNull("the abandoned one is gone");
        }

        PortLease[] leases = [.. await Task.WhenAll(Enumerable.Range(0, 13).Select(i => second!.AcquireAsync($"b{i}").AsTask())).Within()];
        if (isFree)
        {
            disk.Release();
            await abandoned.Disposed.Within();
        }

        leases = [.. leases, await second!.AcquireAsync("afterwards").AsTask().Within()];
        await second.DisposeAsync().AsTask().Within();
        disk.LosePower();
        disk.Restart();
        PortFactSet facts = new();
        await using FilePortStore last = new(disk.Folder(), _clock);
        await last.LoadAsync(facts.Apply, _ => { }, CancellationToken.None).Within();
        facts.Claims.Where(fact => fact.State == PortState.Reserved).Select(fact => (fact.Owner, fact.Port, fact.Epoch))
            .Should().BeEquivalentTo(leases.Select(lease => (lease.Owner, lease.Port, lease.Epoch)), "operation {0}, {1}, was held", held, at);
        abandoned.WereTwoAtATime.Should().BeFalse();
        return true;
    }

    private Task<PortRegistry> OpenAsync(IPortStore store) => PortRegistry.OpenOnAsync(Options(), store, _boot, logger: null, _clock, CancellationToken.None);

    /// <returns>Null when the state is in use.</returns>
    private async Task<PortRegistry?> TryOpenAsync(SimulatedDisk disk)
    {
        try
        {
            return await OpenAsync(new FilePortStore(disk.Folder(), _clock)).Within();
        }
        catch (PortRefusedException e) when (e.Refusal.Reason == PortRefusalReason.StateInUse)
        {
            return null;
        }
    }

    private async Task PrepareAsync(SimulatedDisk disk, string state)
    {
        if (state == "new")
        {
            return;
        }

        await using (FilePortStore store = new(disk.Folder(), _clock))
        {
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).Within();
            await store.AppendAsync([PortFact.Mark(1_600), FactGen.Bound("dead", 20_050, 16), FactGen.Bound("dead too", 20_051, 32)], CancellationToken.None).Within();
        }

        using IStateFile file = disk.Folder().Open(FilePortStore.FileName)!;
        if (state == "damaged")
        {
            file.Write("?"u8, file.Length - 20);
        }
        else if (state == "torn")
        {
            file.Write("#12345678 tcp"u8, file.Length);
        }
    }

    /// <summary>Loads until it is cancelled, and what it does then waits for the test.</summary>
    private sealed class HeldCallbackStore : IPortStore
    {
        private readonly TaskCompletionSource _loading = new(TaskCreationOptions.RunContinuationsAsynchronously), _told = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _goesOn = new();

        public Task Loading => _loading.Task;

        /// <summary>The callback has begun.</summary>
        public Task Told => _told.Task;

        public void GoesOn() => _goesOn.Set();

        public async ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
        {
            TaskCompletionSource cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration one = cancellationToken.Register(() =>
            {
                _told.SetResult();
                _goesOn.Wait();
                cancelled.SetResult();
            });
            _loading.SetResult();
            await cancelled.Task;
            cancellationToken.ThrowIfCancellationRequested();
        }

        public ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    private sealed class ThrowingCallbackStore : IPortStore
    {
        public async ValueTask LoadAsync(Action<PortFact> onFact, Action<string> onUnreadable, CancellationToken cancellationToken)
        {
            TaskCompletionSource cancelled = new(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration one = cancellationToken.Register(() => throw new InvalidOperationException("a callback of the store's"));
            using CancellationTokenRegistration two = cancellationToken.Register(cancelled.SetResult);
            await cancelled.Task;
        }

        public ValueTask AppendAsync(IReadOnlyList<PortFact> batch, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
