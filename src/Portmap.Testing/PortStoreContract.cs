using Xunit;

namespace Portmap.Testing;

/// <summary>What every <see cref="IPortStore"/> owes, as tests of xunit: inherit the class, and add
/// what your store promises beyond.</summary>
/// <remarks>That confirmed facts survive a power loss is yours to show: nobody can cut the power of
/// a medium that he does not know.</remarks>
public abstract class PortStoreContract
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private static readonly DateTimeOffset s_now = DateTimeOffset.FromUnixTimeMilliseconds(TimeProvider.System.GetUtcNow().ToUnixTimeMilliseconds());
    private static readonly Guid s_boot = new("9f1c6a70-27f3-4f0e-8f6d-0a3b5d1c2e4f");

    /// <summary>A store over the state of this test: the same state each time, empty at first. It
    /// is opened only after the one before was disposed, or to see that it is refused.</summary>
    protected abstract IPortStore CreateStore();

    /// <summary>A state that is new has no facts.</summary>
    [Fact]
    public async Task Load_NewState_GivesNothing() => Assert.Empty(await LoadAsync());

    /// <summary>Every kind of fact comes back with all that it says.</summary>
    [Fact]
    public async Task Load_AfterEveryKindOfFact_GivesThemAsTheyWere()
    {
        PortFact[] facts =
        [
            PortFact.Mark(1_867_000_000_000L << 20),
            Fact("reserved", 49_152, 16, PortState.Reserved),
            Fact("bound", 49_153, 32, PortState.Bound),
            Fact("ended", 49_154, 48, PortState.Cooling),
            Fact("brings its port", 0, 64, PortState.Reserved),
            new() { Owner = "asked for ranges", Port = 49_160, Epoch = 80, State = PortState.Reserved, Ports = "49160-49169, 7000", At = s_now, Until = s_now.AddHours(1) },
            Fact("udp", 65_535, long.MaxValue, PortState.Bound, PortProtocol.Udp),
            new() { Owner = "of a user", Port = 49_161, Epoch = 112, Origin = 96, State = PortState.Bound, UserId = 1_000, At = s_now, Until = DateTimeOffset.UnixEpoch },
            new() { Owner = "of root", Port = 49_162, Epoch = 128, State = PortState.Bound, UserId = 0, At = s_now, Until = DateTimeOffset.UnixEpoch },
            new() { Owner = "bare", Port = 1, Epoch = 1, State = PortState.Bound },
        ];
        await AppendAsync(facts);
        Equal(facts, await LoadAsync());
    }

    /// <summary>An owner may be any text; it comes back as it was, and no two are mixed up.</summary>
    /// <param name="owner">The owner.</param>
    [Theory]
    [InlineData(" ")]
    [InlineData(" vol0:/bricks/with blanks ")]
    [InlineData("line\nbreak\r\n\ttab")]
    [InlineData("#1a2b3c4d tcp 1 bound owner=x \\x0a \\")]
    [InlineData("\u0001\u001b[2J\u007f")]
    [InlineData("brick-\u00e4\u20ac\U0001F9F1\u2028")]
    [InlineData("-")]
    [InlineData("e\u0301 is not \u00e9")]
    public async Task Load_OddOwner_GivesItByteByByte(string owner)
    {
        PortFact[] facts = [Fact(owner, 49_152, 16, PortState.Bound), Fact(owner + owner, 49_153, 32, PortState.Bound)];
        await AppendAsync(facts);
        Equal(facts, await LoadAsync());
    }

    /// <summary>An owner of 4,096 bytes comes back.</summary>
    [Fact]
    public async Task Load_LongestOwners_GivesThem()
    {
        PortFact[] facts = [Fact(new string('#', 4_096), 49_152, 16, PortState.Bound), Fact(new string('\u20ac', 1_365), 49_153, 32, PortState.Bound)];
        await AppendAsync(facts);
        Equal(facts, await LoadAsync());
    }

    /// <summary>One port may have facts of several owners and of both protocols.</summary>
    [Fact]
    public async Task Load_SeveralOwnersOnOnePort_GivesEach()
    {
        PortFact[] facts = [Fact("b1", 49_152, 16, PortState.Bound), Fact("b2", 49_152, 32, PortState.Bound), Fact("b1", 49_152, 48, PortState.Bound, PortProtocol.Udp)];
        await AppendAsync(facts);
        Equal(facts, await LoadAsync());
    }

    /// <summary>Of one claim the highest epoch, state and time stands, in whatever order facts come.</summary>
    [Fact]
    public async Task Append_InAnyOrderAndTwice_ComesToTheSame()
    {
        PortFact[] facts =
        [
            Fact("b1", 49_152, 16, PortState.Reserved), Fact("b1", 49_152, 16, PortState.Bound), Fact("b1", 49_152, 16, PortState.Cooling),
            Fact("b2", 49_153, 32, PortState.Cooling), Fact("b2", 49_153, 48, PortState.Reserved), Fact("b2", 49_153, 48, PortState.Bound),
            PortFact.Mark(64), PortFact.Mark(1_024),
        ];
        var random = new Random(1);
        for (int i = 0; i < 5; i++)
        {
            random.Shuffle(facts);
            await AppendAsync(facts);   // each time by a store that has loaded what is there
            await AppendAsync(facts[..3]);
        }

        Equal([facts.Single(fact => fact is { Owner: "b1", State: PortState.Cooling }), facts.Single(fact => fact is { Owner: "b2", Epoch: 48, State: PortState.Bound }), PortFact.Mark(1_024)], await LoadAsync());
    }

    /// <summary>Of two facts of one epoch and state the later one stands.</summary>
    [Fact]
    public async Task Append_SameStateAtALaterTime_Replaces()
    {
        PortFact first = Fact("b1", 49_152, 16, PortState.Bound);
        PortFact again = Fact("b1", 49_152, 16, PortState.Bound, processId: 99, at: s_now.AddMilliseconds(1));
        await AppendAsync(again);
        await AppendAsync(first);
        Equal([again], await LoadAsync());
    }

    /// <summary>Batch after batch, nothing is lost.</summary>
    [Fact]
    public async Task Append_ManyBatches_AllComeBack()
    {
        PortFact[] facts = [.. Enumerable.Range(1, 5_000).Select(i => Fact($"vol0:/bricks/b{i}", 10_000 + i, 16 * i, PortState.Bound))];
        IPortStore store = CreateStore();
        await using (store)
        {
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask().WaitAsync(s_limit);
            foreach (PortFact[] batch in facts.Chunk(100))
            {
                await store.AppendAsync(batch, CancellationToken.None).AsTask().WaitAsync(s_limit);
            }
        }

        Equal(facts, await LoadAsync());
    }

    /// <summary>A second store is refused as StateInUse, with the process id of the first.</summary>
    [Fact]
    public async Task Load_WhileAnotherStoreHasTheState_IsRefusedAtOnceAndToldByWhom()
    {
        await AppendAsync(Fact("b1", 49_152, 16, PortState.Bound));
        IPortStore first = CreateStore();
        await using (first)
        {
            await first.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask().WaitAsync(s_limit);
            IPortStore second = CreateStore();
            PortRefusedException refused = await Assert.ThrowsAsync<PortRefusedException>(() =>
                second.LoadAsync(_ => Assert.Fail("a fact was given"), _ => { }, CancellationToken.None).AsTask().WaitAsync(s_limit));
            Assert.Equal(PortRefusalReason.StateInUse, refused.Refusal.Reason);
            Assert.Equal(Environment.ProcessId, refused.Refusal.HolderProcessId);

            // The first one is none the worse for it.
            await first.AppendAsync([Fact("b2", 49_153, 32, PortState.Bound)], CancellationToken.None).AsTask().WaitAsync(s_limit);
        }

        Assert.Equal(2, (await LoadAsync()).Count);
    }

    /// <summary>An opening that is cancelled before it begins leaves the state to others.</summary>
    [Fact]
    public async Task Load_Cancelled_OwnsNothing()
    {
        await AppendAsync(Fact("b1", 49_152, 16, PortState.Bound));
        IPortStore store = CreateStore();
        await using (store)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                store.LoadAsync(_ => { }, _ => { }, new CancellationToken(canceled: true)).AsTask().WaitAsync(s_limit));
        }

        Assert.Single(await LoadAsync());
    }

    /// <summary>A batch that is cancelled before it begins is not written.</summary>
    [Fact]
    public async Task Append_Cancelled_WritesNothing()
    {
        IPortStore store = CreateStore();
        await using (store)
        {
            await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask().WaitAsync(s_limit);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
                store.AppendAsync([Fact("b1", 49_152, 16, PortState.Bound)], new CancellationToken(canceled: true)).AsTask().WaitAsync(s_limit));
        }

        Assert.Empty(await LoadAsync());
    }

    /// <summary>An opening that is given up while it runs leaves the state to the next one.</summary>
    [Fact]
    public async Task Load_GivenUpWhileItRuns_TheNextOneHasTheState()
    {
        PortFact[] facts = [Fact("b1", 49_152, 16, PortState.Bound), Fact("b2", 49_153, 32, PortState.Bound)];
        await AppendAsync(facts);
        IPortStore store = CreateStore();
        using (CancellationTokenSource giveUp = new())
        {
            Task loading = store.LoadAsync(_ => giveUp.Cancel(), _ => { }, giveUp.Token).AsTask();
            await Task.WhenAny(loading).WaitAsync(s_limit);   // it ends, in whatever way; only then is it disposed
            await store.DisposeAsync().AsTask().WaitAsync(s_limit);
        }

        PortFact next = Fact("b3", 49_154, 48, PortState.Bound);
        await AppendAsync(next);
        Equal([.. facts, next], await LoadAsync());
    }

    /// <summary>A batch that is given up while it is written harms nothing that was confirmed.</summary>
    [Fact]
    public async Task Append_GivenUpWhileItRuns_LosesNothingThatWasConfirmed()
    {
        PortFact[] confirmed = [Fact("b1", 49_152, 16, PortState.Bound), Fact("b2", 49_153, 32, PortState.Bound)];
        PortFact[] tried = [.. Enumerable.Range(1, 1_000).Select(i => Fact($"tried{i}", i, 160 + i, PortState.Bound))];
        await AppendAsync(confirmed);
        IPortStore store = CreateStore();
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask().WaitAsync(s_limit);
        using (CancellationTokenSource giveUp = new())
        {
            Task appending = store.AppendAsync(tried, giveUp.Token).AsTask();
            await giveUp.CancelAsync();
            await Task.WhenAny(appending).WaitAsync(s_limit);
            await store.DisposeAsync().AsTask().WaitAsync(s_limit);
        }

        PortFact next = Fact("b3", 49_154, 2_000, PortState.Bound);
        await AppendAsync(next);
        IReadOnlyCollection<PortFact> loaded = await LoadAsync();
        Equal([.. confirmed, next], loaded.Where(fact => !fact.Owner.StartsWith("tried", StringComparison.Ordinal)));
        Assert.Empty(loaded.Select(Text).Except([.. confirmed.Concat(tried).Append(next).Select(Text)]));
    }

    /// <summary>A store may be disposed twice.</summary>
    [Fact]
    public async Task Dispose_Twice_IsHarmless()
    {
        IPortStore store = CreateStore();
        await store.LoadAsync(_ => { }, _ => { }, CancellationToken.None).AsTask().WaitAsync(s_limit);
        await store.DisposeAsync();
        await store.DisposeAsync();
        Assert.Empty(await LoadAsync());
    }

    /// <summary>A store may be disposed that was never loaded.</summary>
    [Fact]
    public async Task Dispose_NeverLoaded_IsHarmless()
    {
        await CreateStore().DisposeAsync();
        Assert.Empty(await LoadAsync());
    }

    /// <summary>A fact whose times every store can keep.</summary>
    /// <param name="owner">The owner.</param>
    /// <param name="port">The port, or 0.</param>
    /// <param name="epoch">The epoch of the claim.</param>
    /// <param name="state">How far the claim has come.</param>
    /// <param name="protocol">TCP or UDP.</param>
    /// <param name="processId">The process, where the claim has one.</param>
    /// <param name="at">When; null is the time at which the tests began, in whole
    /// milliseconds.</param>
    protected static PortFact Fact(
        string owner, int port, long epoch, PortState state, PortProtocol protocol = PortProtocol.Tcp, int processId = 4_321, DateTimeOffset? at = null) => new()
        {
            Owner = owner,
            Port = port,
            Epoch = epoch,
            State = state,
            Protocol = protocol,
            ProcessId = state == PortState.Reserved ? 0 : processId,
            ProcessStart = state == PortState.Reserved ? 0 : 987_654_321,
            BootId = s_boot,
            At = at ?? s_now,
            Until = state == PortState.Bound ? DateTimeOffset.UnixEpoch : s_now.AddHours(1),
            Strategy = PortRegistryOptions.AllocatorPicks,
        };

    /// <summary>Opens the state, appends in one batch, and closes it.</summary>
    /// <param name="facts">The facts.</param>
    protected async Task AppendAsync(params PortFact[] facts)
    {
        IPortStore store = CreateStore();
        await using (store)
        {
            await store.LoadAsync(_ => { }, text => Assert.Fail($"Nothing is damaged, but: {text}"), CancellationToken.None).AsTask().WaitAsync(s_limit);
            await store.AppendAsync(facts, CancellationToken.None).AsTask().WaitAsync(s_limit);
        }
    }

    /// <summary>Opens the state, takes what stands, and closes it.</summary>
    /// <returns>The facts that stand, by what the contract says of facts.</returns>
    protected async Task<IReadOnlyCollection<PortFact>> LoadAsync()
    {
        List<PortFact> facts = [];
        IPortStore store = CreateStore();
        await using (store)
        {
            await store.LoadAsync(facts.Add, text => Assert.Fail($"Nothing is damaged, but: {text}"), CancellationToken.None).AsTask().WaitAsync(s_limit);
        }

        return [.. facts.GroupBy(fact => (fact.IsMark, fact.Protocol, fact.Port, fact.Owner)).Select(claim => claim.MaxBy(fact => (fact.Epoch, fact.State, fact.At))!)];
    }

    private static void Equal(IEnumerable<PortFact> expected, IEnumerable<PortFact> actual) => Assert.Equal(expected.Select(Text).Order(StringComparer.Ordinal), actual.Select(Text).Order(StringComparer.Ordinal));

    private static string Text(PortFact fact) =>
        FormattableString.Invariant($"{fact.Owner}|{fact.Protocol}|{fact.Port}|{fact.Epoch}|{fact.Origin}|{fact.State}|{fact.UserId}|{fact.ProcessId}|{fact.ProcessStart}|{fact.BootId}|{fact.At:O}|{fact.Until:O}|{fact.Strategy}|{fact.Ports}");
}
