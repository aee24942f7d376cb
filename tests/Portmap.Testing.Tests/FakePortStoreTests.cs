namespace Portmap.Testing.Tests;

/// <summary>The store keeps the contract that it is a tool for testing against, and fails as it is
/// told.</summary>
public sealed class FakePortStoreTests : PortStoreContract, IAsyncLifetime, IAsyncDisposable
{
    private readonly FakePortStore _store = new();

    public ValueTask DisposeAsync() => _store.DisposeAsync();

    Task IAsyncLifetime.InitializeAsync() => Task.CompletedTask;

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    protected override IPortStore CreateStore() => _store;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Fail_BatchComes_ThrowsAndIsWrittenOnlyIfItIsToBe(bool writesAllTheSame)
    {
        await LoadAsync(_store);
        _store.Fail(writesAllTheSame: writesAllTheSame);

        await FluentActions.Awaiting(() => AppendAsync(_store, 20_000)).Should().ThrowAsync<IOException>();

        _store.Facts.Should().HaveCount(writesAllTheSame ? 1 : 0);
        _store.Batches.Should().HaveCount(1, "what failed came as well");
        _store.Heal();
        await AppendAsync(_store, 20_001);
        _store.Facts.Should().Contain(fact => fact.Port == 20_001);
    }

    [Fact]
    public async Task Fail_ExceptionOfTheTests_IsThrown()
    {
        await LoadAsync(_store);
        PortRefusedException failure = new(new PortRefusal(PortRefusalReason.StoreFailed, "The database is away; start it."));
        _store.Fail(failure);

        (await FluentActions.Awaiting(() => AppendAsync(_store, 20_000)).Should().ThrowAsync<PortRefusedException>()).Which.Should().BeSameAs(failure);
    }

    [Fact]
    public async Task Hold_BatchComes_WaitsUntilItIsReleased()
    {
        await LoadAsync(_store);
        _store.Hold();

        Task appending = AppendAsync(_store, 20_000);
        await _store.ArrivedAsync().Within();

        appending.IsCompleted.Should().BeFalse();
        _store.Facts.Should().BeEmpty();
        _store.Release();
        await appending.Within();
        _store.Facts.Should().ContainSingle();
    }

    [Fact]
    public async Task Hold_OpeningIsGivenUp_IsDisposed()
    {
        _store.Hold();
        Task<PortRegistry> opening = PortRegistry.OpenAsync(new PortRegistryOptions { OpenTimeout = TimeSpan.FromMilliseconds(100), Probe = false }, _store);

        (await FluentActions.Awaiting(() => opening.Within()).Should().ThrowAsync<PortRefusedException>()).Which.Refusal.Reason.Should().Be(PortRefusalReason.StoreFailed);
        await _store.WhenDisposed.Within();
    }

    [Fact]
    public async Task AfterKill_OldDaemonStillWrites_ChangesNothing()
    {
        await LoadAsync(_store);
        await AppendAsync(_store, 20_000);
        _store.Hold();
        Task late = AppendAsync(_store, 20_001);

        FakePortStore next = _store.AfterKill();
        await LoadAsync(next);

        await FluentActions.Awaiting(() => late.Within()).Should().ThrowAsync<IOException>();
        await _store.DisposeAsync();
        next.Facts.Should().ContainSingle().Which.Port.Should().Be(20_000);
        await AppendAsync(next, 20_002);
        next.Facts.Should().HaveCount(2);
        await FluentActions.Awaiting(() => LoadAsync(next)).Should().ThrowAsync<PortRefusedException>("the old one gave up only what it had");
    }

    [Fact]
    public async Task AfterKill_OldDaemonStillLoads_FailsAndTheNextHasTheState()
    {
        _store.Hold();
        Task late = LoadAsync(_store);
        await _store.ArrivedAsync().Within();

        FakePortStore next = _store.AfterKill();

        await FluentActions.Awaiting(() => late.Within()).Should().ThrowAsync<IOException>();
        await LoadAsync(next);
        await FluentActions.Awaiting(() => LoadAsync(_store)).Should().ThrowAsync<IOException>();
    }

    [Fact]
    public async Task Lose_Facts_AreNotThereForTheNext()
    {
        await LoadAsync(_store);
        await AppendAsync(_store, 20_000);
        await AppendAsync(_store, 20_001);
        await _store.AppendAsync([PortFact.Mark(99)], CancellationToken.None);
        _store.Mark!.Epoch.Should().Be(99);

        _store.Lose(fact => fact.IsMark || fact.Port == 20_000);

        _store.Mark.Should().BeNull();
        _store.Facts.Should().ContainSingle().Which.Port.Should().Be(20_001);
    }

    [Fact]
    public async Task Unreadable_IsToldToWhoOpens()
    {
        _store.Unreadable = "Line 7 is damaged.";
        List<string> told = [];

        await _store.LoadAsync(_ => { }, told.Add, CancellationToken.None);

        told.Should().Equal("Line 7 is damaged.");
    }

    private static Task LoadAsync(FakePortStore store) => store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask();

    private static Task AppendAsync(FakePortStore store, int port) => store.AppendAsync([Fact($"b{port}", port, 16, PortState.Bound)], CancellationToken.None).AsTask();
}
