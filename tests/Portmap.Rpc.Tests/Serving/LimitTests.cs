using System.Net;
using System.Net.Sockets;
using System.Reflection;
using Microsoft.Extensions.Time.Testing;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Serving;

namespace Portmap.Rpc.Tests.Serving;

/// <summary>
/// Each limit of a server, at it and one past it: who passes it is refused or closed with one line,
/// and the others are served on.
/// </summary>
public class LimitTests
{
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(1);

    /// <summary>The manual clock may go on for hours before the server gets to run.</summary>
    private static readonly PortmapServerOptions s_neverIdle = new() { IdleTimeout = Timeout.InfiniteTimeSpan };

    private readonly FakeTimeProvider _time = new(DateTimeOffset.UnixEpoch.AddYears(56));

    public static TheoryData<string, object, object, object> Bounds { get; } = new()
    {
        { nameof(PortmapServerOptions.MaxRecordBytes), 16_384, 16_777_216, 1 },
        { nameof(PortmapServerOptions.MaxConnections), 1, 1_048_576, 1 },
        { nameof(PortmapServerOptions.MaxConnectionsPerPeer), 1, 1_048_576, 1 },
        { nameof(PortmapServerOptions.MaxPendingRequests), 1, 65_536, 1 },
        { nameof(PortmapServerOptions.MaxOwnersPerSession), 1, 1_048_576, 1 },
        { nameof(PortmapServerOptions.MaxOwnersPerUser), 1, 1_048_576, 1 },
        { nameof(PortmapServerOptions.MaxPortsPerUser), 1, 131_072, 1 },
        { nameof(PortmapServerOptions.KeptConnections), 0, 1_048_576, 1 },
        { nameof(PortmapServerOptions.RecordTimeout), TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(1), TimeSpan.FromTicks(1) },
        { nameof(PortmapServerOptions.IdleTimeout), TimeSpan.FromMilliseconds(100), TimeSpan.FromHours(24), TimeSpan.FromTicks(1) },
        { nameof(PortmapServerOptions.MaxWait), TimeSpan.Zero, TimeSpan.FromHours(1), TimeSpan.FromTicks(1) },
    };

    [Theory]
    [MemberData(nameof(Bounds))]
    public void Options_AtTheirBounds_AreTakenAndOnePastIsNamedWithThem(string name, object least, object most, object step)
    {
        Make(name, least).Should().NotThrow();
        Make(name, most).Should().NotThrow();
        string bounds = FormattableString.Invariant($"*{name}*{least} to {most}*");
        Make(name, Add(least, step, -1)).Should().Throw<ArgumentOutOfRangeException>().WithMessage(bounds);
        Make(name, Add(most, step, 1)).Should().Throw<ArgumentOutOfRangeException>().WithMessage(bounds);
    }

    [Fact]
    public void Options_SeveralOutsideTheirBounds_AreAllNamed()
    {
        PortmapServerOptions options = new() { SocketMode = "9", MaxConnections = 0, MaxWait = TimeSpan.FromSeconds(-1) };
        using PortRegistry registry = new(new PortRegistryOptions());
        Action make = () => _ = new PortmapServer(registry, options);

        make.Should().Throw<ArgumentOutOfRangeException>().WithParameterName(nameof(options)).WithMessage("*SocketMode is '9'*MaxConnections is 0*MaxWait is -00:00:01*");
    }

    [Fact]
    public void Options_EveryLimit_HasItsBoundsTestedAndItsDefaultWithinThem()
    {
        IEnumerable<string> limits = typeof(PortmapServerOptions).GetProperties()
            .Where(property => property.PropertyType == typeof(int) || property.PropertyType == typeof(TimeSpan)).Select(property => property.Name);
        Bounds.Select(row => (string)row[0]).Should().BeEquivalentTo(limits);
        Action make = () => _ = new PortmapServer(new PortRegistry(new PortRegistryOptions()), new PortmapServerOptions());
        make.Should().NotThrow();
    }

    [Theory]
    [InlineData(0, true)]
    [InlineData(4, false)]
    public async Task MaxRecordBytes_RecordAtTheLimit_IsServedAndALongerOneIsClosedWithOneLine(int past, bool isServed)
    {
        await using Harness harness = new(new PortmapServerOptions { MaxRecordBytes = 16_384 });
        PairStream other = harness.Open();
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await client.WriteAsync(Wire.Call(7, Wire.Gluster, 0, new byte[16_384 - 40 + past])).Within();
        if (isServed)
        {
            (await client.ReadRecordAsync()).Should().Equal(Wire.Success(7));
            harness.Logs.Lines.Should().BeEmpty();
            return;
        }

        await EndsAsync(client, served);
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("RecordTooLong");
        await IsServedAsync(other);
    }

    [Fact]
    public async Task NearlyFull_NineTenthsOfTheLimit_IsDoneOnce()
    {
        int told = 0;
        await using Harness harness = new(new PortmapServerOptions { MaxConnections = 10, KeptConnections = 0 }, nearlyFull: () => told++);

        for (int i = 1; i <= 10; i++)
        {
            harness.Open();
            told.Should().Be(i < 9 ? 0 : 1, "{0} of 10 are connected", i);
        }
    }

    [Fact]
    public async Task MaxConnections_AsManyAsTheLimit_AreServedAndOneMoreIsClosedUntilOneEnds()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxConnections = 3 });
        (PairStream first, Task served) = harness.Connect(Harness.Known);
        PairStream[] others = [harness.Open(), harness.Open()];
        for (int i = 0; i < 5; i++)
        {
            (PairStream closed, Task? end) = harness.TryConnect(Harness.Claiming);
            end.Should().BeNull();
            (await closed.ReadAsync(new byte[1]).Within()).Should().Be(0);
        }

        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("ConnectionLimitReached");
        await IsServedAsync(first);
        await IsServedAsync(others[1]);
        first.End();
        await served.Within();
        await IsServedAsync(harness.Open());
    }

    [Fact]
    public async Task MaxConnectionsPerPeer_AsManyAsTheLimit_AreServedAndOneMoreIsClosedWhileOtherPeersAreServed()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxConnectionsPerPeer = 2 });
        (PairStream first, Task served) = harness.Connect(Harness.Known);
        PairStream second = harness.Open();
        harness.TryConnect(Harness.Known).Served.Should().BeNull();
        harness.TryConnect(Harness.Known).Served.Should().BeNull();
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("PeerLimitReached");
        await IsServedAsync(harness.Open(Harness.Claiming));
        await IsServedAsync(second);
        first.End();
        await served.Within();
        await IsServedAsync(harness.Open());
    }

    [Fact]
    public async Task MaxOwnersPerSession_AsManyAsTheLimit_AreRegisteredAndOneMoreIsRefusedByType()
    {
        await using Harness harness = new(new PortmapServerOptions { MaxOwnersPerSession = 3 });
        await using PortmapClient client = harness.OpenClient(), other = harness.OpenClient();
        for (int i = 0; i < 3; i++)
        {
            await client.RegisterAsync(new PortClaimRequest($"b{i}", 49200)).Within();
        }

        Func<Task> register = () => client.RegisterAsync(new PortClaimRequest("b3", 49200)).Within();
        PortRefusal refusal = (await register.Should().ThrowAsync<PortRefusedException>()).Which.Refusal;
        refusal.Reason.Should().Be(PortRefusalReason.TooManyOwners);
        refusal.Message.Should().Contain("3").And.Contain("MaxOwnersPerSession");
        await other.RegisterAsync(new PortClaimRequest("b3", 49200)).Within();
        await client.RegisterAsync(new PortClaimRequest("b2", 49200)).Within();
        await client.ReleaseAsync("b0").Within();
        await client.RegisterAsync(new PortClaimRequest("b4", 49200)).Within();
    }

    [Fact]
    public async Task IdleTimeout_SilentConnection_IsOpenAtTheLimitAndClosedAfterItWithOneLine()
    {
        await using Harness harness = new(new PortmapServerOptions { IdleTimeout = TimeSpan.FromMinutes(2) }, timeProvider: _time);
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        Advance(TimeSpan.FromMinutes(2));
        await IsServedAsync(client);
        Advance(TimeSpan.FromMinutes(2));
        await IsServedAsync(client);

        await AdvanceUntilAsync(served);
        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
        harness.Logs.Lines.Where(line => line.Id.Name == "IdleTimedOut").Should().ContainSingle();
    }

    [Fact]
    public async Task IdleTimeout_ConnectionWithARegistrationOrAWait_IsLeftAlone()
    {
        await using Harness harness = new(new PortmapServerOptions { IdleTimeout = TimeSpan.FromSeconds(10), MaxWait = TimeSpan.FromHours(1) }, timeProvider: _time);
        await using PortmapClient worker = harness.OpenClient();

        // The manual clock drives the reconciler as well, which ends an entry whose port nobody
        // listens on, and that answers the watcher.
        using Socket listening = Listen();
        await worker.RegisterAsync(new PortClaimRequest("b1", ((IPEndPoint)listening.LocalEndPoint!).Port)).Within();
        PairStream watcher = harness.Open();
        long revision = harness.Registry.Snapshot().Revision;
        await watcher.WriteAsync(Wire.Call(7, Wire.Portmap, PortmapProcedure.WaitForChange, Wire.Words((uint)(revision >> 32), (uint)revision, 3_600_000))).Within();
        await watcher.WriteAsync(Wire.Call(8, Wire.Gluster, 0)).Within();
        (await watcher.ReadRecordAsync()).Should().Equal(Wire.Success(8));

        Advance(TimeSpan.FromSeconds(60));

        await worker.PingAsync().Within();
        harness.Registry.TryGetPort("b1", out _).Should().BeTrue();
        await worker.RegisterAsync(new PortClaimRequest("b2", 49200)).Within();
        (await watcher.ReadRecordAsync()).AsSpan(0, 4).ToArray().Should().Equal(Wire.Words(7));
        harness.Logs.Lines.Should().NotContain(line => line.Id.Name == "IdleTimedOut");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task IdleTimeout_ConnectionThatReleasedNothing_IsLeftAlone(bool isKnown)
    {
        await using Harness harness = new(new PortmapServerOptions { IdleTimeout = TimeSpan.FromSeconds(10) }, timeProvider: _time);
        await using PortmapClient worker = harness.OpenClient(isKnown ? Harness.Known : Harness.Unknown);
        using Socket listening = Listen();
        int port = ((IPEndPoint)listening.LocalEndPoint!).Port;
        await worker.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
        await worker.RegisterAsync(new PortClaimRequest("b1", port)).Within();
        await worker.ReleaseAsync(new PortClaimRequest("b1", 49200)).Within();   // it has left that port

        Advance(TimeSpan.FromSeconds(60));

        await worker.PingAsync().Within();
        harness.Registry.TryGetPort("b1", out _).Should().BeTrue();
        harness.Logs.Lines.Should().NotContain(line => line.Id.Name == "IdleTimedOut");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task IdleTimeout_ConnectionThatGaveEverythingBack_IsClosed(bool hadSomething)
    {
        await using Harness harness = new(new PortmapServerOptions { IdleTimeout = TimeSpan.FromSeconds(10) }, timeProvider: _time);
        (PairStream stream, Task served) = harness.Connect(Harness.Known);
        await using PortmapClient client = PortmapClient.Over(stream, PortmapEndpoint.Parse("unix:/in/memory"), _ => throw new NotSupportedException());
        if (hadSomething)
        {
            await client.RegisterAsync(new PortClaimRequest("b1", 49200)).Within();
            await client.RegisterAsync(new PortClaimRequest("b2", 49200)).Within();
            await client.ReleaseAsync("b1").Within();
        }

        await client.ReleaseAsync("b2").Within();

        await AdvanceUntilAsync(served);
        harness.Logs.Lines.Should().ContainSingle(line => line.Id.Name == "IdleTimedOut");
    }

    [Theory]
    [InlineData(PortmapProcedure.Acquire)]
    [InlineData(PortmapProcedure.Register)]
    [InlineData(PortmapProcedure.BindFailed)]
    [InlineData(PortmapProcedure.Release)]
    [InlineData(PortmapProcedure.Extend)]
    [InlineData(PortmapProcedure.AcquireFleet)]
    public async Task MaxRecordBytes_RefusalOfALongName_FitsAndSaysWhy(uint procedure)
    {
        const int Limit = 16_384;
        await using Harness harness = new(new PortmapServerOptions { MaxRecordBytes = Limit });
        PairStream client = harness.Open();
        foreach (int length in new[] { 4_097, 8_000, 12_000, Limit - 120 })
        {
            byte[] name = System.Text.Encoding.UTF8.GetBytes(new string('x', length % 2) + new string('é', length / 2));
            byte[] reply = await client.ExchangeAsync(Wire.Call(1, Wire.Portmap, procedure, [.. Wire.Opaque(name), .. new byte[32]]));
            reply.Length.Should().BeLessThanOrEqualTo(Limit);
            reply.AsSpan(24, 8).ToArray().Should().Equal(Wire.Words(1, (uint)PortRefusalReason.InvalidOwner));
        }
    }

    [Fact]
    public async Task RecordTimeout_HalfARecord_IsWaitedForUpToTheLimitAndThenClosedWithOneLine()
    {
        await using Harness harness = new(s_neverIdle, timeProvider: _time);
        PairStream other = harness.Open();
        byte[] call = Wire.Call(7, Wire.Gluster, 0);
        PairStream patient = harness.Open();
        await patient.WriteAsync(call.AsMemory(0, 20)).Within();
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        await client.WriteAsync(call.AsMemory(0, 20)).Within();
        await IsServedAsync(other);

        Advance(TimeSpan.FromSeconds(30));
        await patient.WriteAsync(call.AsMemory(20)).Within();
        (await patient.ReadRecordAsync()).Should().Equal(Wire.Success(7));

        await AdvanceUntilAsync(served);
        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("RecordTimedOut");
        await IsServedAsync(other);
    }

    [Fact]
    public async Task RecordTimeout_BytesThatTrickleIn_DoNotBuyTime()
    {
        await using Harness harness = new(timeProvider: _time);
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        byte[] call = Wire.Call(7, Wire.Gluster, 0, new byte[2_000]);
        int sent = 0;
        while (!served.IsCompleted && sent < call.Length - 1)
        {
            await client.WriteAsync(call.AsMemory(sent++, 1)).Within();
            await UntilReadAsync(harness, sent, served);
            _time.Advance(s_period);
        }

        await served.Within();
        sent.Should().BeLessThan(call.Length - 1, "a byte a second is too slow");
    }

    [Fact]
    public async Task RecordTimeout_EmptyFragmentsWithoutEnd_AreARecordThatIsBegun()
    {
        await using Harness harness = new(s_neverIdle, timeProvider: _time);
        (PairStream client, Task served) = harness.Connect(Harness.Known);
        byte[] fragment = Wire.Fragment();
        for (int sent = 1; !served.IsCompleted && sent <= 1_000; sent++)
        {
            await client.WriteAsync(fragment).Within();
            await UntilReadAsync(harness, sent * fragment.Length, served);
            _time.Advance(s_period);
        }

        await served.Within();
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("RecordTimedOut");
    }

    [Fact]
    public async Task RecordTimeout_AnswersThatNobodyReads_EndTheConnectionWithOneLine()
    {
        await using Harness harness = new(s_neverIdle, timeProvider: _time);
        (PairStream client, PairStream server) = harness.OpenBoth();
        Task served = harness.LastServed;
        byte[] calls = [.. Enumerable.Range(0, 2_000).SelectMany(_ => Wire.Call(7, Wire.GfDump, 1, new byte[8]))];
        _ = client.WriteAsync(calls).AsTask();
        await server.HeldBack.Within();
        PairStream other = harness.Open();
        Advance(TimeSpan.FromSeconds(30));
        served.IsCompleted.Should().BeFalse();

        await AdvanceUntilAsync(served);
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("AnswersNotRead");
        await IsServedAsync(other);
    }

    [Fact]
    public async Task RecordTimeout_AnswersOfWaitsThatNobodyReads_EndTheConnectionToo()
    {
        await using Harness harness = new(s_neverIdle, timeProvider: _time);
        await using PortmapClient writer = harness.OpenClient();
        long revision = harness.Registry.Snapshot().Revision;
        for (int i = 0; i < 100; i++)
        {
            await writer.RegisterAsync(new PortClaimRequest($"{i}/{new string('x', 1_000)}", 49200)).Within();
        }

        (PairStream client, PairStream server) = harness.OpenBoth();
        Task served = harness.LastServed;
        for (uint xid = 1; xid <= 3; xid++)
        {
            await client.WriteAsync(Wire.Call(xid, Wire.Portmap, PortmapProcedure.WaitForChange, Wire.Words((uint)(revision >> 32), (uint)revision, 60_000))).Within();
        }

        await server.HeldBack.Within();
        await AdvanceUntilAsync(served);
        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("AnswersNotRead");
    }

    [Fact]
    public async Task Log_OfWhatPeersCanRepeat_HasOneLineInTenSecondsThatCountsTheRest()
    {
        await using Harness harness = new(timeProvider: _time);
        for (int i = 0; i < 100; i++)
        {
            (PairStream client, Task served) = harness.Connect(Harness.Known);
            await client.WriteAsync(Wire.Record(1, 2, 3)).Within();
            await served.Within();
        }

        harness.Logs.Warnings.Should().ContainSingle().Which.Id.Name.Should().Be("NotACall");
        _time.Advance(LimitLog.Pause);
        (PairStream last, Task end) = harness.Connect(Harness.Known);
        await last.WriteAsync(Wire.Record(1, 2, 3)).Within();
        await end.Within();
        harness.Logs.Warnings.Should().HaveCount(2);
        harness.Logs.Lines.Should().ContainSingle(line => line.Id.Name == "LinesLeftOut").Which.Text.Should().Contain("99").And.Contain("NotACall");
    }

    private static async Task IsServedAsync(PairStream client) => (await client.ExchangeAsync(Wire.Call(99, Wire.Gluster, 0))).Should().Equal(Wire.Success(99));

    private static async Task EndsAsync(PairStream client, Task served)
    {
        await served.Within();
        (await client.ReadAsync(new byte[1]).Within()).Should().Be(0);
    }

    private static Socket Listen()
    {
        Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, PortBlock.TakeOne()));
        socket.Listen();
        return socket;
    }

    // In steps of the server's timer, so that it looks as often as it would.
    private void Advance(TimeSpan time)
    {
        for (TimeSpan gone = TimeSpan.Zero; gone < time; gone += s_period)
        {
            _time.Advance(s_period);
        }
    }

    // A busy machine may have no time for the server; the manual clock waits for it.
    private static async Task UntilReadAsync(Harness harness, int sent, Task served)
    {
        using CancellationTokenSource end = Deadline.Source();
        while (harness.BytesRead < sent && !served.IsCompleted)
        {
            end.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }

    // The server marks what it waits for on a thread of its own; the manual clock goes on until it
    // has.
    private async Task AdvanceUntilAsync(Task served)
    {
        using CancellationTokenSource end = Deadline.Source();
        while (!served.IsCompleted && !end.IsCancellationRequested)
        {
            _time.Advance(s_period);
            await Task.Yield();
        }

        await served.Within();
    }

    private static Action Make(string name, object value) => () =>
    {
        PortmapServerOptions options = new();
        typeof(PortmapServerOptions).GetProperty(name, BindingFlags.Public | BindingFlags.Instance)!.SetValue(options, value);
        using PortRegistry registry = new(new PortRegistryOptions());
        _ = new PortmapServer(registry, options);
    };

    private static object Add(object value, object step, int sign) =>
        value is TimeSpan time ? time + (sign * (TimeSpan)step) : (int)value + (sign * (int)step);
}
