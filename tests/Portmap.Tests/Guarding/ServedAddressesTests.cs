using System.Globalization;
using Portmap.Guarding;
using Portmap.Tests.Support;

namespace Portmap.Tests.Guarding;

/// <summary>A server on one family or one address leaves the others to anybody: the entry says what
/// is served, and a finding names what is not.</summary>
public sealed class ServedAddressesTests
{
    [NeedsTheory("python3")]
    [InlineData("127.0.0.1", "127.0.0.1", true)]
    [InlineData("0.0.0.0", "0.0.0.0", true)]
    [InlineData("::1", "::1", true)]
    [InlineData(":: only", "::", true)]
    [InlineData("::", "*", false)]
    [InlineData("0.0.0.0,:: only", "0.0.0.0, ::", false)]
    [InlineData("127.0.0.1,::1", "127.0.0.1, ::1", true)]
    public async Task Maintain_ServerAtSomeAddresses_TheEntrySaysWhichAndAFindingWhatIsLeft(string places, string served, bool leavesSome)
    {
        PortRange range = PortBlock.Take(2);
        await using Scene scene = Scene.OnRealPorts(range);
        using Puppet server = Puppet.Start();
        foreach (string place in places.Split(','))
        {
            (await server.OpenAsync(place.Replace(' ', '_'), Place.All.First(candidate => candidate.ToString() == place), range.First)).Should().Be("ok");
        }

        PortEntry registered = scene.Registry.OpenSession(server.Id).Register("b1", range.First);
        registered.Addresses.Should().BeEmpty("nobody has looked yet");
        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        await Eventually.TrueAsync(() => Entry(scene).Addresses == served);
        Entry(scene).Should().Be(registered, "it is the same claim");
        IEnumerable<PortFinding> findings = scene.Registry.Diagnose().Where(finding => finding.Kind == PortFindingKind.PartlyServed);
        if (leavesSome)
        {
            findings.Should().ContainSingle().Which.Value.Should().ContainAll("b1", range.First.ToString(CultureInfo.InvariantCulture), places.Split(',')[0].Split(' ')[0]);
        }
        else
        {
            findings.Should().BeEmpty();
        }
    }

    /// <summary>As .NET binds a socket of both families at an address of IPv4.</summary>
    [NeedsTheory("python3")]
    [InlineData("::ffff:0.0.0.0", "0.0.0.0")]
    [InlineData("::ffff:127.0.0.1", "127.0.0.1")]
    public async Task Maintain_ServerAtAMappedAddress_IsThatOfIPv4(string address, string served)
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Puppet server = Puppet.Start();
        (await server.OpenAsync("server", new Place(address), range.First)).Should().Be("ok");
        scene.Registry.OpenSession(server.Id).Register("b1", range.First);

        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        await Eventually.TrueAsync(() => Entry(scene).Addresses == served);
    }

    [NeedsFact("python3")]
    public async Task Reconcile_ServerOpensAnotherAddress_TheEntrySaysBoth()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Puppet server = Puppet.Start();
        (await server.OpenAsync("one", new Place("127.0.0.1"), range.First)).Should().Be("ok");
        scene.Registry.OpenSession(server.Id).Register("b1", range.First);
        scene.Clock.Advance(TimeSpan.FromSeconds(1));
        await Eventually.TrueAsync(() => Entry(scene).Addresses == "127.0.0.1");
        (await server.OpenAsync("two", new Place("::1"), range.First)).Should().Be("ok");

        scene.Registry.Reconcile();

        Entry(scene).Addresses.Should().Be("127.0.0.1, ::1");
    }

    [NeedsFact("python3")]
    public async Task Diagnose_WhileAliveKeepsTheRest_SaysNothing()
    {
        await using Scene scene = Scene.OnRealPorts(PortBlock.Take(1), options => options.Guard = PortGuardMode.WhileAlive);
        using Puppet server = Puppet.Start(), stranger = Puppet.Start();
        PortLease lease = scene.Acquire("b1");
        lease.OpenGate();
        (await server.OpenAsync("server", new Place("127.0.0.1"), lease.Port)).Should().Be("ok");
        scene.Registry.OpenSession(server.Id).Register("b1", lease.Port, lease.Epoch);

        scene.Registry.Diagnose().Should().NotContain(finding => finding.Kind == PortFindingKind.PartlyServed);
        foreach (Place place in Place.All)
        {
            (await stranger.GetsInAsync(place, lease.Port, group: false)).Should().BeFalse("{0} is kept", place);
        }
    }

    [NeedsFact("python3")]
    public async Task Maintain_UdpServer_TheEntrySaysWhere()
    {
        PortRange range = PortBlock.Take(1);
        await using Scene scene = Scene.OnRealPorts(range);
        using Puppet server = Puppet.Start();
        (await server.OpenAsync("server", new Place("127.0.0.1"), range.First, udp: true)).Should().Be("ok");
        scene.Registry.OpenSession(server.Id).Register("b1", range.First, protocol: PortProtocol.Udp);

        scene.Clock.Advance(TimeSpan.FromSeconds(1));

        await Eventually.TrueAsync(() => Entry(scene, PortProtocol.Udp).Addresses == "127.0.0.1");
    }

    [Fact]
    public void NumberOf_MoreSetsThanNumbers_IsUnknownAndNeverAnother()
    {
        ServedAddresses served = new();
        Dictionary<int, byte> numbers = [];
        for (int i = 0; i < 400; i++)
        {
            numbers[i] = served.NumberOf((PortSocket[])[At(i)]);
        }

        numbers.Values.Distinct().Should().HaveCount(255, "254 sets, and one number for the rest");
        for (int i = 0; i < 400; i++)
        {
            served.NumberOf((PortSocket[])[At(i)]).Should().Be(numbers[i]);
            served.TextOf(numbers[i]).Should().Be(i < 254 ? $"10.0.{i / 100}.{i % 100}" : string.Empty);
        }
    }

    private static PortSocket At(int i) => new(1, System.Net.IPAddress.Parse($"10.0.{i / 100}.{i % 100}"), false, true, 0, 0);

    private static PortEntry Entry(Scene scene, PortProtocol protocol = PortProtocol.Tcp) => scene.Registry.TryGetEntry("b1", out PortEntry entry, protocol) ? entry : default;
}
