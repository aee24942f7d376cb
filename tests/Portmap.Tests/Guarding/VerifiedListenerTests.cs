using Portmap.Guarding;
using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>Registrations that are believed only when the kernel says so: real sockets, real
/// processes.</summary>
public sealed class VerifiedListenerTests
{
    [Fact]
    public async Task RegisterAsync_TheProcessListens_IsBelieved()
    {
        await using Scene scene = Verifying(out int port);
        using Stranger socket = Stranger.Listening(port);

        (await scene.Here.RegisterAsync(new PortClaimRequest("b1", port)).AsTask().Within()).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public void Refuse_TheKernelsListCannotBeRead_IsUnverifiableAndNotThatNobodyListens()
    {
        ListenTable unread = ListenTable.Read(PortProtocol.Tcp, "/proc/self/nowhere");
        ReportedListener said = new(PortProtocol.Tcp, 50_000, ProcessIdentity.Of(Environment.ProcessId, out _), IsOwnSocket: false);

        ListenerCheck.Refuse(said, "a", unread)!.ShouldExplain(PortRefusalReason.Unverifiable, "a", 50_000, "VerifyListening off");
    }

    [Fact]
    public async Task RegisterAsync_NobodyListens_IsRefusedAndLookupsStayAsTheyWere()
    {
        await using Scene scene = Verifying(out int port);
        using System.Net.Sockets.Socket? silent = Knock.TryTake(port, listen: false);

        (await scene.Here.RegisterAsync(new PortClaimRequest("b1", port)).RefusalAsync()).ShouldExplain(PortRefusalReason.NotListening, "b1", port);

        scene.PortOf("b1").Should().Be(0);
    }

    [Fact]
    public async Task RegisterAsync_AnotherProcessListens_IsBelievedOnlyWhereNobodyAskedWhoseSocketItIs()
    {
        await using Scene scene = Verifying(out int port);
        using Stranger socket = Stranger.Listening(port);
        Child idle = scene.StartChild();

        PortRefusal refusal = await scene.SessionOf(idle).RegisterAsync(new PortClaimRequest("b1", port)).RefusalAsync();
        refusal.ShouldExplain(PortRefusalReason.NotListening, "b1", port, idle.Id, $"(pid {Environment.ProcessId}, ");
        refusal.HolderProcessId.Should().Be(Environment.ProcessId, "it has the port, and {0} has nothing", idle.Id);

        await using Scene credulous = Scene.OnRealPorts(PortBlock.Take(1), options => options.VerifyListening = true);
        (await credulous.SessionOf(credulous.StartChild()).RegisterAsync(new PortClaimRequest("b1", port)).AsTask().Within()).Port.Should().Be(port);
    }

    [NeedsFact("python3")]
    public async Task RegisterAsync_ARealChildListens_IsBelieved()
    {
        await using Scene scene = Verifying(out int port);
        using Child server = await ListeningChild.StartAsync(port);

        (await scene.SessionOf(server).RegisterAsync(new PortClaimRequest("b1", port)).AsTask().Within()).ProcessId.Should().Be(server.Id);
    }

    [Fact]
    public async Task RegisterAsync_ProcessCannotBeLookedAt_IsUnverifiable()
    {
        await using Scene scene = Verifying(out int port);
        using Stranger socket = Stranger.Listening(port);
        await using PortSession unknown = scene.Registry.OpenSession(null);

        (await unknown.RegisterAsync(new PortClaimRequest("b1", port)).RefusalAsync()).ShouldExplain(PortRefusalReason.Unverifiable, "b1", port);
    }

    [Fact]
    public async Task RegisterAsync_UnknownProcessAndNobodyListensHere_IsUnverifiable()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.VerifyListening = true);
        await using PortSession unknown = scene.Registry.OpenSession(null);

        (await unknown.RegisterAsync(new PortClaimRequest("b1", PortBlock.TakeOne())).RefusalAsync()).ShouldExplain(PortRefusalReason.Unverifiable, "network");
    }

    [NeedsNamespaceFact]
    public async Task RegisterAsync_ProcessHasANetworkOfItsOwn_ItsListenersCount()
    {
        await using Scene scene = Verifying(out int port);
        using Programs programs = new();
        System.Diagnostics.Process server = programs.Start(
            Programs.ListensAtALine, "exec unshare -n @", configure: start => start.Environment["HOST"] = "0.0.0.0", ports: port);
        await programs.NextAsync(server);
        PortSession session = scene.Registry.OpenSession(server.Id);
        using Stranger here = Stranger.Listening(port);   // on the same number, and in another network

        (await session.RegisterAsync(new PortClaimRequest("b1", port)).RefusalAsync()).ShouldExplain(PortRefusalReason.NotListening, "network");
        await server.StandardInput.WriteLineAsync().Within();
        await programs.NextAsync(server);

        (await session.RegisterAsync(new PortClaimRequest("b1", port)).AsTask().Within()).ProcessId.Should().Be(server.Id);
        for (int i = 0; i < 4; i++)
        {
            scene.Registry.Reconcile();
        }

        scene.PortOf("b1").Should().Be(port);
    }

    [NeedsMountFact]
    public async Task RegisterAsync_ProcShowsProcessesOnly_TheKernelsListIsReadAllTheSame()
    {
        int port = PortBlock.TakeOne();
        using ProcessesDaemon daemon = await ProcessesDaemon.StartAsync("exec unshare --mount sh -c \"mount -t proc -o subset=pid proc /proc && exec @\"");
        using Child idle = Child.Start();

        (await daemon.AskAsync($"verify b1 {idle.Id} {port}")).Should().StartWith("NotListening");
        using Stranger stranger = Stranger.Listening(port);
        (await daemon.AskAsync($"verify b1 {Environment.ProcessId} {port}")).Should().Be("Bound");
    }

    [NeedsMountFact]
    public async Task RegisterAsync_ProcIsOfAnotherPidNamespace_IsUnverifiableAndNotToldThatNobodyListens()
    {
        int port = PortBlock.TakeOne();
        using ProcessesDaemon daemon = await ProcessesDaemon.StartAsync("exec unshare --pid --fork --kill-child @");

        (await daemon.AskAsync($"verify b1 {await daemon.AskAsync("start")} {port}")).Should().StartWith("Unverifiable").And.Contain("VerifyListening off");
        (await daemon.AskAsync("program b2")).Should().StartWith("Unverifiable").And.Contain("pid namespace and the right").And.NotContain("VerifyListening", "the host asks, whatever the options say");
    }

    [Fact]
    public async Task RegisterAsync_Udp_ABoundSocketIsEnough()
    {
        await using Scene scene = Verifying(out int port);
        (await scene.Here.RegisterAsync(new PortClaimRequest("dns", port) { Protocol = PortProtocol.Udp }).RefusalAsync()).Reason.Should().Be(PortRefusalReason.NotListening);
        using Stranger socket = Stranger.OnUdp(port);

        (await scene.Here.RegisterAsync(new PortClaimRequest("dns", port) { Protocol = PortProtocol.Udp }).AsTask().Within()).State.Should().Be(PortState.Bound);
    }

    [Fact]
    public async Task RegisterAsync_ManyAtOnce_ShareFewReads()
    {
        const int Many = 200;
        await using Scene scene = Verifying(out int port);
        using Stranger socket = Stranger.Listening(port);
        int before = scene.Registry.Listeners.Reads;
        using Barrier start = new(4);

        // Four threads ask 50 times each before any answer can be read: those who come while a read
        // is under way share the next.
        Task<PortEntry>[][] asked = await Task.WhenAll(Enumerable.Range(0, 4).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                return Enumerable.Range(0, Many / 4).Select(i => scene.Here.RegisterAsync(new PortClaimRequest($"b{thread}/{i}", port)).AsTask()).ToArray();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))).Within();
        PortEntry[] entries = await Task.WhenAll(asked.SelectMany(tasks => tasks)).Within();

        entries.Should().HaveCount(Many).And.OnlyContain(entry => entry.State == PortState.Bound);
        (scene.Registry.Listeners.Reads - before).Should().BeInRange(1, Many / 2);
    }

    [Fact]
    public async Task TryRegister_CannotWait_ThrowsAndNamesWhatCan()
    {
        await using Scene scene = Verifying(out int port);

        Action register = () => scene.Here.TryRegister(new PortClaimRequest("b1", port), out _, out _);

        register.Should().Throw<InvalidOperationException>().WithMessage("*RegisterAsync*");
    }

    private static Scene Verifying(out int port)
    {
        port = PortBlock.TakeOne();
        return Scene.OnRealPorts(PortBlock.Take(1), options => options.VerifyProcess = true);
    }
}
