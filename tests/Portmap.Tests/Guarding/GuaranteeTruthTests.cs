using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>An entry says Exclusive only while the kernel keeps everybody else off: whatever
/// options the owner's socket has, and whoever came in by the open gate.</summary>
public sealed class GuaranteeTruthTests
{
    private const int Nobody = 65_534;

    public static TheoryData<PortGuardMode, string, bool> Owners { get; } = [];

    /// <summary>Those of another user, which only root can start.</summary>
    public static TheoryData<string, bool> OwnersOfAnotherUser { get; } = [];

    static GuaranteeTruthTests()
    {
        foreach (PortGuardMode mode in (PortGuardMode[])[PortGuardMode.WhileAlive, PortGuardMode.UntilRegistered, PortGuardMode.StepAside, PortGuardMode.None])
        {
            foreach (Place place in Place.All[..5])
            {
                foreach (bool group in (bool[])[false, true])
                {
                    Owners.Add(mode, place.ToString(), group);
                    if (mode == PortGuardMode.WhileAlive)
                    {
                        OwnersOfAnotherUser.Add(place.ToString(), group);
                    }
                }
            }
        }
    }

    [NeedsTheory("python3")]
    [MemberData(nameof(Owners))]
    public Task Register_OwnerWithAnyOptions_SaysExclusiveOnlyWhileNobodyGetsIn(PortGuardMode mode, string address, bool group) =>
        RegisterAsync(mode, address, group, user: null);

    [NeedsRootTheory("python3")]
    [MemberData(nameof(OwnersOfAnotherUser))]
    public Task Register_OwnerOfAnotherUserWithAnyOptions_SaysExclusiveOnlyWhileNobodyGetsIn(string address, bool group) =>
        RegisterAsync(PortGuardMode.WhileAlive, address, group, Nobody);

    private static async Task RegisterAsync(PortGuardMode mode, string address, bool group, int? user)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = mode);
        Place place = Place.All.First(candidate => candidate.ToString() == address);
        using Puppet thief = Puppet.Start(user);
        using Puppet owner = Puppet.Start(user);
        PortLease lease = scene.Acquire(new PortRequest("b1") { UserId = (uint?)user });
        lease.OpenGate();
        (await owner.OpenAsync("server", place, lease.Port, group: group)).Should().Be("ok");
        await using (PortSession session = scene.Registry.OpenSession(owner.Id))
        {
            PortEntry entry = session.Register("b1", lease.Port, lease.Epoch);

            entry.Guarantee.Should().Be(mode == PortGuardMode.WhileAlive && !group ? PortGuarantee.Exclusive : PortGuarantee.HeldByProcess);
            await NobodyGetsInWhileExclusiveAsync(scene, thief, lease.Port, "while the owner lives");
            scene.Registry.Guard.Count.Should().Be(entry.Guarantee == PortGuarantee.Exclusive ? 1 : 0);
            owner.Kill();
        }

        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
        if (scene.Registry.Guard.Count != 0)
        {
            (await GetsInAsync(thief, lease.Port)).Should().BeEmpty("it is kept for the owner's return");
        }

        PortLease next = scene.Acquire(new PortRequest("b1") { Previous = lease.Port, Reuse = PortReuse.Require });
        await NobodyGetsInWhileExclusiveAsync(scene, thief, lease.Port, "on the next lease", next);
    }

    [NeedsFact("python3")]
    public async Task Register_AgainAndAgainWhereAnotherListensToo_IsOneLineInTenSeconds()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1));
        using Puppet other = Puppet.Start(), owner = Puppet.Start();
        int port = PortRange.Parse(scene.Options.Ports).First;
        (await owner.OpenAsync("server", At("127.0.0.1"), port, group: false)).Should().Be("ok");
        (await other.OpenAsync("server", At("127.0.0.2"), port, group: false)).Should().Be("ok");
        PortSession session = scene.Registry.OpenSession(owner.Id);
        for (int i = 0; i < 4; i++)
        {
            session.Register("b1", port);
            scene.Registry.Maintain();
            session.Release("b1");
        }

        scene.Log.Of("Found").Where(line => line.Contains(nameof(PortFindingKind.PortShared))).Should().ContainSingle();
    }

    [NeedsTheory("python3")]
    [InlineData("127.0.0.1", "127.0.0.2")]
    [InlineData("127.0.0.1", "::1")]
    [InlineData("::1", "127.0.0.1")]
    [InlineData("0.0.0.0", "::1")]
    [InlineData(":: only", "0.0.0.0")]
    public async Task Register_AnotherListensThereToo_IsHeldByProcessAndAFindingNamesIt(string ownerAt, string thiefAt)
    {
        foreach (bool thiefFirst in (bool[])[true, false])
        {
            foreach (bool group in (bool[])[false, true])
            {
                await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
                using Puppet thief = Puppet.Start(), owner = Puppet.Start();
                PortLease lease = scene.Acquire("b1");
                lease.OpenGate();
                foreach (bool isThief in (bool[])[thiefFirst, !thiefFirst])
                {
                    (await (isThief ? thief : owner).OpenAsync("server", At(isThief ? thiefAt : ownerAt), lease.Port, group: isThief && group)).Should().Be("ok");
                }

                PortEntry entry = scene.Registry.OpenSession(owner.Id).Register("b1", lease.Port, lease.Epoch);

                entry.Guarantee.Should().Be(PortGuarantee.HeldByProcess, "thief first {0}, in a group {1}", thiefFirst, group);
                PortFinding shared = scene.Registry.Diagnose().Should().ContainSingle(finding => finding.Kind == PortFindingKind.PortShared).Which;
                shared.Value.Should().ContainAll($"{thief.Id}", $"{owner.Id}", "b1", $"{lease.Port}", At(thiefAt).Address, At(ownerAt).Address);
                shared.Remedy.Should().Contain("WhileAlive").And.NotContain("admits", "an open gate admits whoever binds that number with SO_REUSEADDR");
                scene.Clock.Advance(TimeSpan.FromSeconds(1));
                await Eventually.TrueAsync(() => scene.Log.Of("Found").Any(line => line.Contains(nameof(PortFindingKind.PortShared)) && line.Contains($"{thief.Id}")));
                owner.Kill();
                scene.Clock.Advance(TimeSpan.FromSeconds(2));
                await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
                scene.AcquireRefused(new PortRequest("b1") { Previous = lease.Port, Reuse = PortReuse.Require }).Reason.Should().Be(PortRefusalReason.Foreign);
            }
        }
    }

    [NeedsTheory("python3")]
    [InlineData("127.0.0.1", "127.0.0.2")]
    [InlineData("127.0.0.1", "::1")]
    [InlineData("::1", "127.0.0.9")]
    public async Task Register_AnotherIsBoundAndSilent_CannotListenOnceItSaysExclusive(string ownerAt, string thiefAt)
    {
        foreach (bool group in (bool[])[false, true])
        {
            foreach (bool thiefFirst in (bool[])[true, false])
            {
                await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
                using Puppet thief = Puppet.Start(), owner = Puppet.Start();
                PortLease lease = scene.Acquire("b1");
                lease.OpenGate();
                foreach (bool isThief in (bool[])[thiefFirst, !thiefFirst])
                {
                    (await (isThief ? thief : owner).OpenAsync("server", At(isThief ? thiefAt : ownerAt), lease.Port, group: isThief && group, listen: !isThief))
                        .Should().Be("ok");
                }

                scene.Registry.OpenSession(owner.Id).Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.Exclusive);

                (await thief.ListenAsync("server")).Should().Be("EADDRINUSE", "thief first {0}, in a group {1}", thiefFirst, group);
            }
        }
    }

    [NeedsFact("python3")]
    public async Task Register_AChildOfTheOwnerListensOnAnotherAddress_IsTheOwners()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        using Puppet owner = Puppet.Start();
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        (await owner.OpenAsync("server", At("127.0.0.1"), lease.Port)).Should().Be("ok");
        (await owner.ForkAsync(At("::1"), lease.Port)).Should().Be("ok");

        scene.Registry.OpenSession(owner.Id).Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.Exclusive);

        scene.Registry.Diagnose().Should().NotContain(finding => finding.Kind == PortFindingKind.PortShared);
    }

    [NeedsFact("python3")]
    public async Task HandOver_AnotherOwnersRegistrationOnAKeptPort_NoPlaceholderStays()
    {
        // A child of the dead owner listens still, and signs in under a name of its own.
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        using Puppet owner = Puppet.Start(), heir = Puppet.Start();
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        (await owner.OpenAsync("server", At("127.0.0.1"), lease.Port)).Should().Be("ok");
        (await heir.OpenAsync("server", At("127.0.0.2"), lease.Port)).Should().Be("ok");
        scene.Registry.OpenSession(owner.Id).Register("b1", lease.Port, lease.Epoch);
        owner.Kill();
        scene.Clock.Advance(TimeSpan.FromSeconds(2));
        await Eventually.TrueAsync(() => scene.StateOf(lease.Port) == PortState.Cooling);
        scene.Registry.Guard.Count.Should().Be(1, "it is kept");

        scene.Registry.OpenSession(heir.Id).Register("b2", lease.Port).Guarantee.Should().Be(PortGuarantee.HeldByProcess);

        scene.Registry.Guard.Count.Should().Be(0, "it was kept for b1, and nothing is kept for b2");
    }

    [NeedsTheory("python3")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("::ffff:0.0.0.0", true)]   // what .NET binds for a socket of both families at IPAddress.Any
    [InlineData("192.0.2.1")]   // another host's, by IP_FREEBIND
    [InlineData("2001:db8::1")]
    public async Task Register_OwnerAtAnAddressThatIsNotPlainlyOurs_IsExclusiveAndNobodyGetsIn(string address, bool andV6 = false)
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        using Puppet thief = Puppet.Start(), owner = Puppet.Start();
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        (await owner.OpenAsync("server", new Place(address), lease.Port)).Should().Be("ok");
        if (andV6)
        {
            (await owner.OpenAsync("other", At(":: only"), lease.Port)).Should().Be("ok");   // then there is nothing left to seal
        }

        scene.Registry.OpenSession(owner.Id).Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.Exclusive);

        await NobodyGetsInWhileExclusiveAsync(scene, thief, lease.Port, "while the owner lives");
    }

    [NeedsLinkFact]
    public async Task Register_OwnerAtALinkLocalAddress_IsExclusiveAndNobodyGetsIn()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        using Puppet thief = Puppet.Start();
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using System.Net.Sockets.Socket? server = Knock.TryTake(lease.Port, NeedsLinkFactAttribute.Address);

        scene.Here.Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.Exclusive);

        await NobodyGetsInWhileExclusiveAsync(scene, thief, lease.Port, "while the owner lives");
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => scene.Registry.TryGetEntry("b1", out PortEntry entry) && entry.Addresses == NeedsLinkFactAttribute.Address!.ToString());
    }

    [NeedsNamespaceFact]
    public async Task Register_OwnerInANetworkOfItsOwn_IsHeldByProcess()
    {
        const string Server = "import socket,sys,time; s=socket.create_server(('0.0.0.0',int(sys.argv[1]))); print('listening',flush=True); time.sleep(600)";
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        using Child server = Child.Start("unshare", "-n", "python3", "-c", Server, $"{lease.Port}");
        (await server.Process.StandardOutput.ReadLineAsync().Within()).Should().Be("listening");

        scene.SessionOf(server).Register("b1", lease.Port, lease.Epoch).Guarantee.Should().Be(PortGuarantee.HeldByProcess, "our network is not the one it listens in");

        scene.Registry.Guard.Count.Should().Be(0, "here it would keep others from a port that nobody serves");
    }

    private static Place At(string address) => Place.All.First(place => place.ToString() == address);

    private static async Task NobodyGetsInWhileExclusiveAsync(Scene scene, Puppet thief, int port, string when, PortLease? lease = null)
    {
        List<string> gotIn = await GetsInAsync(thief, port);
        scene.Registry.TryGetEntry("b1", out PortEntry entry).Should().BeTrue();
        if ((lease?.Guarantee ?? entry.Guarantee) == PortGuarantee.Exclusive)
        {
            gotIn.Should().BeEmpty("it says Exclusive {0}", when);
        }
    }

    private static async Task<List<string>> GetsInAsync(Puppet thief, int port)
    {
        List<string> gotIn = [];
        foreach (Place place in Place.All)
        {
            foreach (bool group in (bool[])[false, true])
            {
                if (await thief.GetsInAsync(place, port, group))
                {
                    gotIn.Add($"{place} {(group ? "with" : "without")} SO_REUSEPORT");
                }
            }
        }

        return gotIn;
    }
}
