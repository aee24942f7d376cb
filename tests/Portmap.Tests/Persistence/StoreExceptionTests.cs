using Portmap.Persistence;
using Portmap.Tests.Support;

namespace Portmap.Tests.Persistence;

/// <summary>Whatever a store throws, out of memory too (InsufficientMemoryException is an
/// OutOfMemoryException), and whenever: the callers are told StoreFailed, the next use works when
/// the store does, and disposing is quiet.</summary>
public sealed class StoreExceptionTests
{
    public static TheoryData<string, bool> Kinds { get; } = new()
    {
        { nameof(InsufficientMemoryException), false },
        { nameof(InsufficientMemoryException), true },
        { nameof(InvalidOperationException), false },
        { nameof(InvalidOperationException), true },
        { nameof(OperationCanceledException), false },
        { nameof(OperationCanceledException), true },
        { nameof(NotSupportedException), false },
        { nameof(ObjectDisposedException), true },
        { nameof(AggregateException), true },
        { nameof(InsufficientExecutionStackException), false },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Append_Throws_TheCallersAreToldAndTheNextUseWorks(string kind, bool later)
    {
        WatchedStore store = new(new FakePortStore());
        PortRegistry registry = await OpenAsync(store);
        PortSession here = registry.OpenSession(Environment.ProcessId);
        PortLease before = await registry.AcquireAsync("before").AsTask().Within();
        store.Before = Throws("Append", kind, later);
        (await registry.AcquireAsync("a").RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "a");
        (await here.RegisterAsync(new PortClaimRequest("b", 20050)).RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "b");
        (await before.ReleaseAsync().RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);

        store.Before = _ => Task.CompletedTask;
        await registry.AcquireAsync("a").AsTask().Within();
        (await here.RegisterAsync(new PortClaimRequest("b", 20050)).AsTask().Within()).Port.Should().Be(20050);
        await before.ReleaseAsync().AsTask().Within();
        registry.AssertInvariants();
        await registry.DisposeAsync().AsTask().Within();
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Append_ThrowsUnderBackground_EverythingIsWrittenLater(string kind, bool later)
    {
        PortFactSet facts = new();
        FakePortStore memory = new();
        WatchedStore store = new(memory);
        FakeTimeProvider clock = new();
        PortRegistry registry = await OpenAsync(store, PortDurability.Background, clock);
        int tried = 0;
        Func<string, Task> throws = Throws("Append", kind, later);
        store.Before = member =>
        {
            tried++;
            return throws(member);
        };
        registry.TryAcquire("a", out _, out _).Should().BeTrue();
        clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => Volatile.Read(ref tried) > 0);
        await registry.FlushAsync().Within();
        store.Before = _ => Task.CompletedTask;
        await registry.DisposeAsync().AsTask().Within();
        await memory.LoadAsync(facts.Apply, _ => { }, CancellationToken.None);
        facts.Claims.Should().ContainSingle(fact => fact.Owner == "a");
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task Dispose_StoreThrows_IsQuietAndDone(string kind, bool later)
    {
        foreach (string member in (string[])["Append", "Dispose", "both"])
        {
            WatchedStore store = new(new FakePortStore());
            PortRegistry registry = await OpenAsync(store);
            await registry.AcquireAsync("a").AsTask().Within();
            store.Before = called => member == "both" || called == member ? Throws(called, kind, later)(called) : Task.CompletedTask;
            if (later)
            {
                await registry.DisposeAsync().AsTask().Within();
            }
            else
            {
                registry.Dispose();
            }

            await store.Disposed.Within();
            registry.Dispose();
            store.WereTwoAtATime.Should().BeFalse();
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task OpenAsync_StoreThrows_IsATypedErrorAndTheStoreIsGivenUp(string kind, bool later)
    {
        foreach (string member in (string[])["Load", "Append"])
        {
            WatchedStore store = new(new FakePortStore()) { Before = Throws(member, kind, later) };
            (await OpenAsync(store).RefusalAsync()).ShouldExplain(PortRefusalReason.StoreFailed, "state folder");
            await store.Disposed.Within();
            store.WereTwoAtATime.Should().BeFalse();
        }
    }

    [Fact]
    public async Task Append_FailsForLong_EachTryBringsFewFacts()
    {
        const int Changes = 500;
        WatchedStore store = new(new FakePortStore());
        await using PortRegistry registry = await OpenAsync(store);
        PortSession here = registry.OpenSession(Environment.ProcessId);
        await Task.WhenAll(Enumerable.Range(0, Changes).Select(i => here.RegisterAsync(new PortClaimRequest($"b{i}", 20_000 + (i % 100))).AsTask())).Within();
        store.Before = Throws("Append", nameof(IOException), later: false);
        store.Batches.Clear();
        for (int i = 0; i < Changes; i++)
        {
            (await here.ReleaseAsync($"b{i}").RefusalAsync()).Reason.Should().Be(PortRefusalReason.StoreFailed);
        }

        store.Batches.Max().Should().BeLessThanOrEqualTo(64 + 1, "a store that fails is asked with few facts, not with all that wait");
        store.Batches.Count.Should().BeLessThanOrEqualTo(2 * Changes, "once for each change, and once more when its caller comes late");
        store.Before = _ => Task.CompletedTask;
        await here.RegisterAsync(new PortClaimRequest("works", 20_000)).AsTask().Within();
        for (int i = 0; i < Changes; i++)
        {
            registry.TryGetPort($"b{i}", out _).Should().BeFalse();
        }

        registry.AssertInvariants();
    }

    [Fact]
    public async Task OpenAsync_TooManyStored_GivesTheStoreUp()
    {
        FakePortStore memory = new();
        PortRegistry first = await OpenAsync(memory);
        await first.AcquireAsync("a").AsTask().Within();
        await first.AcquireAsync("b").AsTask().Within();
        await first.DisposeAsync().AsTask().Within();
        WatchedStore store = new(memory);
        PortRegistryOptions options = Options(PortDurability.Background);
        options.MaxOwners = 1;
        (await PortRegistry.OpenAsync(options, store).RefusalAsync()).Reason.Should().Be(PortRefusalReason.TooManyOwners);
        await store.Disposed.Within();
        await (await OpenAsync(memory)).DisposeAsync().AsTask().Within();
    }

    /// <summary>The first failure of all comes when nothing new is taken any more: the end of what was
    /// on its way is written by itself.</summary>
    [Fact]
    public async Task Diagnose_OnlyTheVeryLastWriteFailed_SaysWithWhat()
    {
        TaskCompletionSource arrived = new(TaskCreationOptions.RunContinuationsAsynchronously), goesOn = new(TaskCreationOptions.RunContinuationsAsynchronously);
        WatchedStore store = new(new FakePortStore());
        LogLines log = new();
        PortRegistry registry = await PortRegistry.OpenAsync(Options(PortDurability.Confirmed), store, log).Within();
        int appends = 0;
        store.Before = async member =>
        {
            if (member == "Append" && ++appends == 1)
            {
                arrived.SetResult();
                await goesOn.Task;
            }
            else if (member == "Append")
            {
                throw new IOException("The disk was pulled.");
            }
        };
        Task acquiring = registry.AcquireAsync("a").AsTask();
        await arrived.Task.Within();
        Task disposing = registry.DisposeAsync().AsTask();
        goesOn.SetResult();
        await disposing.Within();
        await FluentActions.Awaiting(() => acquiring.Within()).Should().ThrowAsync<Exception>();

        appends.Should().Be(2);
        registry.Diagnose().Should().Contain(finding => finding.Kind == PortFindingKind.StoreFailing).Which.Value.Should().Contain("The disk was pulled");
        log.Of("StoreFailed").Should().ContainSingle();
    }

    private static PortRegistryOptions Options(PortDurability durability) =>
        new() { Ports = "20000-20099", Strategy = PortRegistryOptions.AllocatorPicks, Probe = false, Durability = durability };

    private static Task<PortRegistry> OpenAsync(IPortStore store, PortDurability durability = PortDurability.Confirmed, TimeProvider? clock = null) =>
        PortRegistry.OpenAsync(Options(durability), store, timeProvider: clock).Within();

    private static Func<string, Task> Throws(string member, string kind, bool later) => called =>
    {
        if (called != member)
        {
            return Task.CompletedTask;
        }

        Exception exception = kind switch
        {
            nameof(InsufficientMemoryException) => new InsufficientMemoryException(),
            nameof(OperationCanceledException) => new OperationCanceledException(),
            nameof(NotSupportedException) => new NotSupportedException(),
            nameof(ObjectDisposedException) => new ObjectDisposedException("a client of the store's"),
            nameof(AggregateException) => new AggregateException(new IOException("one"), new IOException("two")),
            nameof(InsufficientExecutionStackException) => new InsufficientExecutionStackException(),
            nameof(IOException) => new IOException("No space left on device"),
            _ => new InvalidOperationException("a bug of the store's"),
        };
        return later ? LaterAsync(exception) : throw exception;
    };

    private static async Task LaterAsync(Exception exception)
    {
        await Task.Yield();
        throw exception;
    }
}
