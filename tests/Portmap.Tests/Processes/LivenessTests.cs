using System.Globalization;
using Portmap.TestKit.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Processes;

/// <summary>No dead port served: a process that dies takes its entries with it, session or
/// not.</summary>
public class LivenessTests
{
    [Fact]
    public async Task Pass_ProcessWasKilled_EndsAllItsEntries()
    {
        // Gluster c905f0475b: kill -9 of a multiplexed brick left entries.
        await using Scene scene = new();
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        session.Register("b1", 20000);
        session.Register("b2", 20000);
        session.Register("b3", 20001, protocol: PortProtocol.Udp);
        scene.Here.Register("lives", 20002);
        await using WatchReader watch = WatchReader.FromNow(scene.Registry);
        child.Kill();

        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0 && scene.PortOf("b2") == 0 && scene.PortOf("b3", PortProtocol.Udp) == 0);
        scene.StateOf(20000).Should().Be(PortState.Cooling);
        scene.StateOf(20001, PortProtocol.Udp).Should().Be(PortState.Cooling);
        scene.PortOf("lives").Should().Be(20002);
        string[] died = [(await watch.NextAsync(PortChangeKind.Died)).Entry.Owner, (await watch.NextAsync(PortChangeKind.Died)).Entry.Owner];
        died.Should().BeSubsetOf(["b1", "b2", "b3"]).And.OnlyHaveUniqueItems();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pass_ProcessOfASessionThatHasNothingWasKilled_EndsTheSession(bool isQuiet)
    {
        await using Scene scene = new();   // it does not probe, so nobody tells the session
        Child child = scene.StartChild();
        PortSession session = scene.SessionOf(child);
        if (isQuiet)
        {
            scene.Registry.Maintain();
            scene.Registry.Maintain();
        }

        child.Kill();

        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await session.Ended.Within();
    }

    [Fact]
    public async Task Pass_LookAtASessionThrows_IsMadeAgainByALaterOne()
    {
        Func<int, long?> startOf = _ => 1;
        await using Scene scene = new(configure: options => options.SimulateHost((_, _) => [], processId => startOf(processId)));
        PortSession[] sessions = [.. Enumerable.Range(5_001, 3).Select(processId => scene.Registry.OpenSession(processId))];
        startOf = _ => throw new IOException("As asked.");
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        startOf = _ => null;

        scene.Clock.Advance(TimeSpan.FromSeconds(6));

        foreach (PortSession session in sessions)
        {
            await session.Ended.Within();
        }
    }

    [Fact]
    public async Task Pass_LeaseOfARegistryThatWasQuiet_RunsOutInTime()
    {
        await using Scene scene = new(configure: options => (options.LivenessInterval, options.LeaseTimeout) = (TimeSpan.FromMinutes(1), TimeSpan.FromSeconds(1)));
        scene.Acquire("b0").TryRelease(out _);   // the next number is one that this thread has taken already
        scene.Registry.Maintain();
        scene.Registry.Maintain();
        PortLease lease = scene.Acquire("b1");

        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        scene.Registry.Maintain();

        lease.IsOpen.Should().BeFalse("a pass looks at the owners when a claim has taken effect");
    }

    [Theory]
    [InlineData(3_000)]
    [InlineData(1_000)]
    [InlineData(60_000)]
    public async Task Pass_DeathThatOnlyPassesSee_IsKnownWithinTheInterval(int leaseTimeoutMs)
    {
        // A quarter of LeaseTimeout lies between two passes: two of 750 ms take longer than the
        // interval of 1 s.
        await using PortTestWorld world = new(options => options.LeaseTimeout = TimeSpan.FromMilliseconds(leaseTimeoutMs));
        for (int i = 0; i < 8; i++)
        {
            FakeProcess process = world.StartProcess();
            PortSession session = process.Connect(world.Registry);
            process.Listen(50_000 + i);
            session.Register("b1", 50_000 + i);
            for (int ms = 0; i % 2 != 0 && ms < 1_500; ms += 125)
            {
                world.Clock.Advance(TimeSpan.FromMilliseconds(125));   // it is looked at before
            }

            process.Kill(keepConnections: true);

            for (int ms = 0; ms < 1_000; ms += 125)
            {
                world.Clock.Advance(TimeSpan.FromMilliseconds(125));   // whoever is woken sees the end of each
            }

            world.PortOf("b1").Should().BeNull("death {0} was an interval ago", i);
            world.Clock.Advance(TimeSpan.FromMilliseconds(125));
        }
    }

    [Fact]
    public async Task Pass_ProcessLives_EndsNothing()
    {
        await using Scene scene = new();
        scene.SessionOf(scene.StartChild()).Register("b1", Scene.First);

        scene.Clock.Advance(TimeSpan.FromMinutes(3));

        scene.PortOf("b1").Should().Be(Scene.First);
    }

    [Fact]
    public async Task Pass_UnknownProcessWithAnOpenSession_EndsNothing()
    {
        await using Scene scene = new();
        scene.Registry.OpenSession(null).Register("b1", Scene.First);

        scene.Clock.Advance(TimeSpan.FromMinutes(3));

        scene.PortOf("b1").Should().Be(Scene.First);
    }

    [Fact]
    public async Task Register_ProcessWasDeadBeforeItsSessionOpened_IsRefused()
    {
        // A worker that dies right after it has connected: the daemon learns its pid when there is
        // no process behind it any more.
        await using Scene scene = new();
        Child child = scene.StartChild();
        int pid = child.Id;
        child.Kill();

        scene.Registry.OpenSession(pid).RegisterRefused("b1", Scene.First).ShouldExplain(PortRefusalReason.ProcessDead, pid);
    }

    [NeedsFact("sh")]
    public async Task Register_Zombie_IsDead()
    {
        await using Scene scene = new();
        using Child parent = Child.Start("/bin/sh", "-c", ParentThatNeverWaits);
        int zombie = await ChildOfAsync(parent);
        Programs.Kill(zombie);
        await Eventually.TrueAsync(() => ChildProcess.StateOf(zombie) == 'Z');

        scene.Registry.OpenSession(zombie).RegisterRefused("b1", Scene.First).ShouldExplain(PortRefusalReason.ProcessDead, zombie);
    }

    [NeedsFact("sh")]
    public async Task Pass_ProcessBecameAZombie_EndsItsEntry()
    {
        await using Scene scene = new();
        using Child parent = Child.Start("/bin/sh", "-c", ParentThatNeverWaits);
        int pid = await ChildOfAsync(parent);
        scene.Registry.OpenSession(pid).Register("b1", Scene.First);
        Programs.Kill(pid);

        await Eventually.TrueAsync(() => ChildProcess.StateOf(pid) == 'Z');
        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        await Eventually.TrueAsync(() => scene.PortOf("b1") == 0);
    }

    [NeedsFact("gcc")]
    public async Task Pass_MainThreadHasEndedAndOthersServe_IsAliveUntilTheLastHasEnded()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.VerifyProcess = true);
        PortLease lease = scene.Acquire("headless");
        lease.OpenGate();
        using TempFolder folder = new();
        using Child server = await HeadlessServer.StartAsync(folder, lease.Port);
        await Eventually.TrueAsync(() => ChildProcess.StateOf(server.Id) == 'Z');

        PortEntry entry = await scene.SessionOf(server).RegisterAsync(new PortClaimRequest("headless", lease.Port) { Epoch = lease.Epoch }).AsTask().Within();
        entry.ProcessId.Should().Be(server.Id);
        scene.Clock.Advance(TimeSpan.FromMinutes(3));
        scene.PortOf("headless").Should().Be(lease.Port, "the kernel lets its other threads serve");

        server.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => scene.PortOf("headless") == 0);
    }

    [NeedsFact("gcc")]
    public async Task RegisterAsync_ProgramWhoseMainThreadHasEnded_IsFoundByItsThreads()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        PortLease lease = scene.Acquire("headless");
        lease.OpenGate();
        using TempFolder folder = new();
        using Child server = await HeadlessServer.StartAsync(folder, lease.Port);
        await Eventually.TrueAsync(() => ChildProcess.StateOf(server.Id) == 'Z');

        (await lease.RegisterAsync(server.Process).Within()).ProcessId.Should().Be(server.Id);
    }

    [NeedsMountFact("setpriv")]
    public async Task Pass_ProcOfAnotherUserIsHidden_LivesUntilItIsDead()
    {
        // hidepid=2: absent from /proc, and kill(2) says EPERM.
        using ProcessesDaemon daemon = await ProcessesDaemon.StartAsync(
            "exec unshare --mount sh -c \"mount -t proc -o hidepid=2 proc /proc && exec setpriv --reuid=65534 --regid=65534 --clear-groups @\"");
        using Child child = Child.Start();

        (await daemon.AskAsync($"register b1 {child.Id} 20000")).Should().Be("Bound");
        (await daemon.AskAsync("pass")).Should().Be("passed");
        (await daemon.AskAsync("port b1")).Should().Be("20000");
        (await daemon.AskAsync("leave b1")).Should().Be("left");
        (await daemon.AskAsync("port b1")).Should().Be("20000", "it is known to live, so it is served for the grace");
        (await daemon.AskAsync($"register b2 {child.Id} 20000")).Should().Be("Bound", "the same process shares its port");

        child.Kill();
        (await daemon.AskAsync("pass")).Should().Be("passed");
        (await daemon.AskAsync("port b1")).Should().Be("none");
        (await daemon.AskAsync("port b2")).Should().Be("none");
        (await daemon.AskAsync($"register b3 {child.Id} 20000")).Should().Be("ProcessDead");
    }

    [NeedsMountFact]
    public async Task Pass_ProcIsOfAnotherPidNamespace_EveryProcessIsUnknown()
    {
        using ProcessesDaemon daemon = await ProcessesDaemon.StartAsync("exec unshare --pid --fork --kill-child @");
        string pid = await daemon.AskAsync("start");

        (await daemon.AskAsync($"register b1 {pid} 20000")).Should().Be("Bound", "what /proc shows under that number is somebody else");
        (await daemon.AskAsync("pass")).Should().Be("passed");
        (await daemon.AskAsync("port b1")).Should().Be("20000");
        (await daemon.AskAsync("leave b1")).Should().Be("left");
        (await daemon.AskAsync("port b1")).Should().Be("none", "of an unknown process nobody can tell whether it lives");
    }

    [NeedsMountFact("setpriv")]
    public async Task OpenSession_ProcIsOfAnotherPidNamespace_IsOfNoUserAndNotTrusted()
    {
        using ProcessesDaemon daemon = await ProcessesDaemon.StartAsync("exec unshare --pid --fork --kill-child setpriv --reuid=65534 --regid=65534 --clear-groups @");
        string pid = await daemon.AskAsync("start");

        (await daemon.AskAsync($"user {pid}")).Should().Be("unknown False 65534", "what /proc shows under those numbers is somebody else");
    }

    [NeedsMountFact("gcc")]
    public async Task Pass_NumberWasGivenToAnotherProcessInTheSameTick_IsDead()
    {
        // Both have to be started within one tick of 10 ms, so they come before whatever else is busy.
        using ProcessesDaemon daemon = await ProcessesDaemon.StartAsync("exec unshare --pid --fork --kill-child --mount-proc nice -n -19 @");
        using TempFolder folder = new();
        string pid = await daemon.AskAsync($"reuse b1 20000 {await ReusedNumber.BuildAsync(folder)}");
        int.TryParse(pid, out _).Should().BeTrue("it was: {0}", pid);

        (await daemon.AskAsync($"register b2 {pid} 20000")).Should().Be("Bound", "its predecessor is dead, so the port is free for it");
        (await daemon.AskAsync("pass")).Should().Be("passed");
        (await daemon.AskAsync("port b1")).Should().Be("none");
        (await daemon.AskAsync("port b2")).Should().Be("20000");
    }

    private const string ParentThatNeverWaits = "/bin/sleep 600 & echo $!; exec /bin/sleep 600";

    /// <summary>The child of a shell that has become a program which never waits for it: until then
    /// the shell might.</summary>
    private static async Task<int> ChildOfAsync(Child parent)
    {
        string? line = await parent.Process.StandardOutput.ReadLineAsync().Within();
        await Eventually.TrueAsync(() => File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{parent.Process.Id}/comm")) == "sleep\n");
        return int.Parse(line!, CultureInfo.InvariantCulture);
    }
}
