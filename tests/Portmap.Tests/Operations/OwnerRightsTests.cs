using Portmap.Operations;
using Portmap.Processes;
using Portmap.Tests.Support;

namespace Portmap.Tests.Operations;

/// <summary>Nobody changes what is another owner's: every verb, tried by every kind of caller. An epoch
/// says which claim is meant and gives no right.</summary>
public class OwnerRightsTests
{
    private const string Owner = "b1";
    private const uint OwnersUser = 4_001, OtherUser = 4_002, AcquirersUser = 4_003;

    private static readonly TimeSpan s_more = TimeSpan.FromMinutes(10);

    private static readonly string[] s_callers = ["same session", "same process", "acquiring session", "same user", "other user", "root", "daemon's user", "unknown"];

    // One letter for each caller above: x may, - may not.
    private static readonly (string Verb, string Callers)[] s_rights =
    [
        ("release by epoch", "xxxx-xx-"),
        ("release", "xxx-----"),
        ("register on another port", "xx------"),
        ("register by the epoch of the claim, on another port", "xx------"),
        ("register by a lease of the host", "xxxx-xx-"),
        ("extend a lease of the host", "xxxx-xx-"),
        ("acquire", "xxxx-xx-"),
        ("acquire among several", "xxxx-xx-"),
        ("bind failed", "xx------"),
        ("release the lease by epoch", "xxxx-xx-"),
        ("release the lease", "--x-----"),
        ("extend the lease by epoch", "xxxx-xx-"),
        ("extend the lease", "xxxx-xx-"),
        ("register by the lease", "xxxx-xx-"),
        ("register on the port of the lease", "xxxx-xx-"),
        ("register beside the lease", "xxxx-xx-"),
        ("bind failed by the lease", "xxxx-xx-"),
        ("bind failed on the port of the lease", "xxxx-xx-"),
    ];

    public static TheoryData<string, string, bool> Everybody()
    {
        TheoryData<string, string, bool> rows = [];
        foreach ((string verb, string callers) in s_rights)
        {
            for (int i = 0; i < s_callers.Length; i++)
            {
                rows.Add(verb, s_callers[i], callers[i] == 'x');
            }
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Everybody))]
    public async Task Verb_ByEachKindOfCaller_IsForTheOwnerOnlyAndElseChangesNothing(string verb, string caller, bool may)
    {
        await using Scene scene = new();
        bool isOfLease = verb.Contains("the lease", StringComparison.Ordinal);
        Cast cast = await Cast.OnAsync(scene, isRegistered: !isOfLease);
        PortSession session = cast.Session(caller);
        PortLease? hosts = verb.EndsWith("a lease of the host", StringComparison.Ordinal) ? scene.Acquire(Owner) : null;
        PortEntry[] before = [.. scene.Registry.Snapshot().Entries];

        PortRefusal? refusal = await TryAsync(() => DoAsync(verb, session, cast, hosts));

        (refusal is null).Should().Be(may, "{0} by {1}: {2}", verb, caller, refusal);
        if (refusal is not null)
        {
            bool isPlainRegistration = verb is "register on another port" or "register by the epoch of the claim, on another port";
            refusal.Reason.Should().Be(isPlainRegistration ? PortRefusalReason.Conflict : PortRefusalReason.NotOwner);
            refusal.Message.Should().Contain(Owner);
            scene.Registry.Snapshot().Entries.Should().Equal(before, "nothing was changed");
            scene.StateOf(20_009).Should().Be(PortState.Free);
        }
    }

    [Theory]
    [InlineData("other user")]
    [InlineData("unknown")]
    public async Task Verb_OnAClaimOfADeadProcess_IsForEverybody(string caller)
    {
        foreach (string verb in (string[])["release by epoch", "release", "register on another port", "register by the epoch of the claim, on another port", "acquire", "acquire among several", "bind failed"])
        {
            await using Scene scene = new(configure: options => options.LivenessInterval = TimeSpan.FromHours(1));
            Cast cast = await Cast.OnAsync(scene, isRegistered: true);
            PortSession session = cast.Session(caller);
            cast.KillOwner();

            (await TryAsync(() => DoAsync(verb, session, cast, hosts: null))).Should().BeNull("{0} by {1}", verb, caller);
        }
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Register_ByALeaseThatAnotherUserAcquiredBeforeTheOwnerCameIn_IsNotOwner(bool byEpoch)
    {
        await using Scene scene = new();
        PortSession other = scene.Registry.OpenSession(scene.StartChild().Id, OtherUser);
        PortLease lease = await other.AcquireAsync(Owner).Within();
        PortSession owner = scene.Registry.OpenSession(scene.StartChild().Id, ProcessUser.Own);
        owner.Register(Owner, Scene.First + 9);

        other.RegisterRefused(Owner, lease.Port, byEpoch ? lease.Epoch : 0).Reason
            .Should().Be(byEpoch ? PortRefusalReason.NotOwner : PortRefusalReason.Conflict);

        scene.PortOf(Owner).Should().Be(Scene.First + 9);
    }

    [Fact]
    public async Task Register_ByALeaseForAUser_IsForThatUser()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(new PortRequest(Owner) { UserId = OwnersUser });

        scene.Registry.OpenSession(scene.StartChild().Id, OtherUser).RegisterRefused(Owner, lease.Port, lease.Epoch)
            .ShouldExplain(PortRefusalReason.NotOwner, Owner, OwnersUser, OtherUser);
        scene.Registry.OpenSession(scene.StartChild().Id, OwnersUser).Register(Owner, lease.Port, lease.Epoch);

        (await lease.WhenBound.Within()).Port.Should().Be(lease.Port);
    }

    [Fact]
    public async Task RegisterAsync_HostByItsLeaseForAProcessOfAnyUser_IsTheHostsRight()
    {
        await using Scene scene = new();
        PortLease lease = scene.Acquire(Owner);
        Child child = scene.StartChild();

        new PortSession(scene.Registry, SessionHolder.OfHost(scene.Registry.Parts.Sessions, child.Id)).Register(Owner, lease.Port, lease.Epoch);

        (await lease.WhenBound.Within()).ProcessId.Should().Be(child.Id);
    }

    [Fact]
    public async Task ReportBindFailure_SecondStartByHandWithAFixedPort_LeavesTheOwnerToTheFirst()
    {
        await using Scene scene = new();
        Child first = scene.StartChild();
        PortEntry entry = scene.SessionOf(first).Register(Owner, Scene.First);
        PortSession second = scene.SessionOf(scene.StartChild());

        (await second.ReportBindFailureAsync(new PortClaimRequest(Owner, Scene.First)).RefusalAsync()).ShouldExplain(PortRefusalReason.NotOwner, Owner, Scene.First, first.Id);
        (await second.ReportBindFailureAsync(new PortClaimRequest(Owner, Scene.First + 1)).RefusalAsync()).Reason.Should().Be(PortRefusalReason.NotOwner);
        second.ReleaseRefused(Owner).Reason.Should().Be(PortRefusalReason.NotOwner);

        scene.Registry.TryGetEntry(Owner, out PortEntry still).Should().BeTrue();
        still.Should().Be(entry);
        scene.StateOf(Scene.First + 1).Should().Be(PortState.Free, "its owner may be anybody");
    }

    [Theory]
    [InlineData(OwnersUser, true)]
    [InlineData(OtherUser, false)]
    [InlineData(null, false)]
    public async Task Register_OfAnOwnerWhoseUnknownProcessLeft_IsForItsUserOnly(uint? user, bool may)
    {
        await using Scene scene = new();
        PortSession gone = scene.Registry.OpenSession(null, OwnersUser);
        gone.Register(Owner, Scene.First);
        await gone.DisposeAsync();

        bool registered = scene.Registry.OpenSession(null, user).TryRegister(new PortClaimRequest(Owner, Scene.First), out _, out PortRefusal? refusal);

        registered.Should().Be(may, "{0}", refusal);
    }

    [Fact]
    public async Task Acquired_ManyLeasesThatAreOver_AreForgottenAndThoseThatStandAreNot()
    {
        await using Scene scene = new("20000-20999");
        PortSession session = scene.Registry.OpenSession(null, OtherUser);
        PortLease kept = await session.AcquireAsync("kept").Within();
        PortSession worker = scene.Registry.OpenSession(scene.StartChild().Id, OtherUser);
        PortLease registered = await session.AcquireAsync("registered").Within();
        worker.Register("registered", registered.Port, registered.Epoch);
        for (int i = 0; i < 500; i++)
        {
            PortLease lease = await session.AcquireAsync("passing").Within();
            lease.TryRelease(out _).Should().BeTrue();
        }

        session.Holder.HasAcquired(new(kept.Claim)).Should().BeTrue();
        session.Holder.HasAcquired(new(registered.Claim)).Should().BeTrue();
        session.Holder.CountAcquired.Should().BeLessThan(60);
    }

    [NeedsRootTheory("setpriv")]
    [InlineData("--reuid=65534")]
    [InlineData("--euid=65534")]
    public async Task OpenSession_OfAProcessThatActsAsAnotherUser_SpeaksForThatUser(string users)
    {
        await using Scene scene = new();
        using Child nobody = Child.Start("setpriv", users, "--regid=65534", "--clear-groups", "tail", "-f", "/etc/passwd");   // a shell would take its real user back
        await nobody.Process.StandardOutput.ReadLineAsync().Within();
        PortSession session = scene.Registry.OpenSession(nobody.Id);
        PortEntry entry = scene.Here.Register(Owner, Scene.First);

        session.Holder.UserId.Should().Be(65_534);
        session.TryRelease(new PortClaimRequest(Owner) { Epoch = entry.Epoch }, out PortRefusal? refusal).Should().BeFalse();
        refusal!.ShouldExplain(PortRefusalReason.NotOwner, Owner, 65_534);
        scene.PortOf(Owner).Should().Be(Scene.First);
    }

    private static async Task<PortRefusal?> TryAsync(Func<Task> verb)
    {
        try
        {
            await verb().Within();
            return null;
        }
        catch (PortRefusedException refused)
        {
            return refused.Refusal;
        }
    }

    private static Task DoAsync(string verb, PortSession session, Cast cast, PortLease? hosts) => verb switch
    {
        "release by epoch" => session.ReleaseAsync(new PortClaimRequest(Owner) { Epoch = cast.Entry.Epoch }).AsTask(),
        "release" => session.ReleaseAsync(Owner).AsTask(),
        "register on another port" => session.RegisterAsync(new PortClaimRequest(Owner, 20_009)).AsTask(),
        "register by the epoch of the claim, on another port" => session.RegisterAsync(new PortClaimRequest(Owner, 20_009) { Epoch = cast.Entry.Epoch }).AsTask(),
        "register by a lease of the host" => session.RegisterAsync(new PortClaimRequest(Owner, hosts!.Port) { Epoch = hosts.Epoch }).AsTask(),
        "extend a lease of the host" => session.ExtendAsync(new PortClaimRequest(Owner) { Epoch = hosts!.Epoch }, s_more).AsTask(),
        "acquire" => session.AcquireAsync(Owner).AsTask(),
        "acquire among several" => session.AcquireAllAsync([Owner, "b2"]).AsTask(),
        "bind failed" => session.ReportBindFailureAsync(new PortClaimRequest(Owner, 20_009)).AsTask(),
        "release the lease by epoch" => session.ReleaseAsync(new PortClaimRequest(Owner) { Epoch = cast.Lease.Epoch }).AsTask(),
        "release the lease" => session.ReleaseAsync(Owner).AsTask(),
        "extend the lease by epoch" => session.ExtendAsync(new PortClaimRequest(Owner) { Epoch = cast.Lease.Epoch }, s_more).AsTask(),
        "extend the lease" => session.ExtendAsync(Owner, s_more).AsTask(),
        "register by the lease" => session.RegisterAsync(new PortClaimRequest(Owner, cast.Lease.Port) { Epoch = cast.Lease.Epoch }).AsTask(),
        "register on the port of the lease" => session.RegisterAsync(new PortClaimRequest(Owner, cast.Lease.Port)).AsTask(),
        "register beside the lease" => session.RegisterAsync(new PortClaimRequest(Owner, 20_009)).AsTask(),
        "bind failed by the lease" => session.ReportBindFailureAsync(new PortClaimRequest(Owner, cast.Lease.Port) { Epoch = cast.Lease.Epoch }).AsTask(),
        "bind failed on the port of the lease" => session.ReportBindFailureAsync(new PortClaimRequest(Owner, cast.Lease.Port)).AsTask(),
        _ => throw new ArgumentOutOfRangeException(nameof(verb), verb, "unknown"),
    };

    /// <summary>An owner whose lease one session acquired and, if wanted, a process of another user
    /// has used up; and everybody who may ask.</summary>
    private sealed class Cast
    {
        private readonly Scene _scene;
        private readonly Child _ownersProcess;
        private readonly PortSession _owner;
        private readonly PortSession _acquirer;

        private Cast(Scene scene)
        {
            _scene = scene;
            _ownersProcess = scene.StartChild();
            _owner = scene.Registry.OpenSession(_ownersProcess.Id, OwnersUser);
            _acquirer = scene.Registry.OpenSession(scene.StartChild().Id, AcquirersUser);
        }

        public PortLease Lease { get; private set; } = null!;

        public PortEntry Entry { get; private set; }

        public static async Task<Cast> OnAsync(Scene scene, bool isRegistered)
        {
            Cast cast = new(scene);
            cast.Lease = await cast._acquirer.AcquireAsync(new PortRequest(Owner) { UserId = OwnersUser }).Within();
            if (isRegistered)
            {
                cast.Entry = cast._owner.Register(Owner, cast.Lease.Port, cast.Lease.Epoch);
            }

            return cast;
        }

        public void KillOwner() => _ownersProcess.Kill();

        public PortSession Session(string caller) => caller switch
        {
            "same session" => _owner,
            "same process" => _scene.Registry.OpenSession(_ownersProcess.Id, OwnersUser),
            "acquiring session" => _acquirer,
            "same user" => _scene.Registry.OpenSession(_scene.StartChild().Id, OwnersUser),
            "other user" => _scene.Registry.OpenSession(_scene.StartChild().Id, OtherUser),
            "root" => _scene.Registry.OpenSession(_scene.StartChild().Id, 0),
            "daemon's user" => _scene.Registry.OpenSession(_scene.StartChild().Id, ProcessUser.Own),
            "unknown" => _scene.Registry.OpenSession(null, userId: null),
            _ => throw new ArgumentOutOfRangeException(nameof(caller), caller, "unknown"),
        };
    }
}
