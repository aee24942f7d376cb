using Portmap.Persistence;
using Portmap.Processes;

namespace Portmap.Tests.Persistence;

/// <summary>What facts mean together: a lease beside a registration, and which port of an owner is
/// remembered.</summary>
public sealed class RecoveryRulesTests
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.FromUnixTimeSeconds(1_790_000_000);

    [Theory]
    [InlineData(16, 32)]
    [InlineData(32, 16)]
    public void Reserved_OnThePortOfAnothersRegistration_HasEnded(long bound, long reserved)
    {
        Recovery recovery = Recover(FactGen.Bound("listens", 50_000, bound), FactGen.Reserved("leased", 50_000, reserved));
        recovery.Bound.Should().ContainSingle().Which.Owner.Should().Be("listens");
        recovery.Reserved.Should().BeEmpty("the process that listens has the port");
        recovery.Ended.Should().ContainSingle(fact => fact.Owner == "leased" && fact.Epoch == reserved && fact.State == PortState.Cooling);
    }

    [Theory]
    [InlineData("a", "b", 50_000, "one port is leased once")]
    [InlineData("a", "a", 50_001, "an owner has one lease")]
    public void Reserved_TwoThatCannotBothStand_IsTheOneOfTheHigherEpoch(string earlier, string later, int port, string why)
    {
        PortFact first = FactGen.Reserved(earlier, 50_000, 16), second = FactGen.Reserved(later, port, 32);
        foreach (PortFact[] order in (PortFact[][])[[first, second], [second, first]])
        {
            Recovery recovery = Recover(order);
            recovery.Reserved.Should().Equal([second], why);
            recovery.Ended.Should().ContainSingle().Which.Epoch.Should().Be(16);
        }
    }

    [Fact]
    public void Bound_OfADeadProcess_EndsAsTheRegistrationItWas()
    {
        PortFact bound = new() { Owner = "a", Port = 50_000, Epoch = 48, Origin = 32, State = PortState.Bound, ProcessId = 22, ProcessStart = 7, BootId = FactGen.Boot, At = s_now, Strategy = "mine" };

        PortFact end = Recover(_ => false, bound).Ended.Should().ContainSingle().Which;

        (end.State, end.Epoch, end.Origin, end.ProcessId, end.ProcessStart, end.Strategy).Should().Be((PortState.Cooling, 48, 32, 22, 7, "mine"));
        end.IsOfRegistration.Should().BeTrue("it outweighs the earlier ones of its owner, and uses up its lease");
    }

    [Fact]
    public void Reserved_BesideARegistrationOfAnotherPortOrProtocol_Stays()
    {
        PortFact udp = new() { Protocol = PortProtocol.Udp, Owner = "udp", Port = 50_000, Epoch = 48, State = PortState.Reserved, BootId = FactGen.Boot, At = s_now, Until = s_now.AddMinutes(1) };
        Recovery recovery = Recover(FactGen.Bound("listens", 50_000, 16), FactGen.Reserved("leased", 50_001, 32), udp, FactGen.Reserved("brings", 0, 64));
        recovery.Reserved.Select(fact => fact.Owner).Should().BeEquivalentTo("leased", "udp", "brings");
        recovery.Ended.Should().BeEmpty();
    }

    [Theory]
    [InlineData(16, 32)]
    [InlineData(32, 16)]
    public void Last_OneFactHasNoPort_IsTheOneWithAPort(long withPort, long without)
    {
        PortFact with = FactGen.Ended("a", 50_000, withPort), brings = FactGen.Reserved("a", 0, without, s_now.AddMinutes(1));
        foreach (PortFact[] order in (PortFact[][])[[with, brings], [brings, with]])
        {
            Recover(order).Last[(PortProtocol.Tcp, "a")].Port.Should().Be(50_000, "the port an owner had is remembered");
        }
    }

    [Fact]
    public void Last_SeveralPorts_IsTheOneOfTheHighestEpoch()
    {
        PortFact[] facts = [FactGen.Ended("a", 50_000, 16), FactGen.Ended("a", 50_001, 48), FactGen.Ended("a", 50_002, 32), FactGen.Ended("a", 0, 64)];
        Recover(facts).Last[(PortProtocol.Tcp, "a")].Port.Should().Be(50_001);
        Array.Reverse(facts);
        Recover(facts).Last[(PortProtocol.Tcp, "a")].Port.Should().Be(50_001);
    }

    [Fact]
    public void Bound_TwoProcessesOnOnePort_IsTheOneOfTheHighestEpochWithAllItsOwners()
    {
        Recovery recovery = Recover(
            FactGen.Bound("old", 50_000, 16, processId: 11), FactGen.Bound("new", 50_000, 48, processId: 22), FactGen.Bound("beside", 50_000, 32, processId: 22));
        recovery.Bound.Select(fact => fact.Owner).Should().BeEquivalentTo("new", "beside");
        recovery.Ended.Should().ContainSingle().Which.Owner.Should().Be("old");
    }

    [Theory]
    [InlineData(16, 48)]
    [InlineData(47, 48)]
    public void Bound_ReplacedByOneThatIsDeadNow_HasEnded(long replaced, long dead)
    {
        // Killed after the replacement was confirmed and before the end of what it replaced was
        // written.
        PortFact old = FactGen.Bound("a", 50_000, replaced, processId: 11), next = FactGen.Bound("a", 50_001, dead, processId: 22);
        foreach (PortFact[] order in (PortFact[][])[[old, next], [next, old]])
        {
            Recovery recovery = Recover(fact => fact.Id != 22, order);
            recovery.Bound.Should().BeEmpty("an older registration never comes back");
            recovery.Ended.Select(fact => fact.Epoch).Should().BeEquivalentTo([replaced, dead]);
        }
    }

    [Fact]
    public void Bound_OfAnotherProtocolThanOneThatIsDead_Stays()
    {
        PortFact udp = new() { Protocol = PortProtocol.Udp, Owner = "a", Port = 50_001, Epoch = 48, State = PortState.Bound, ProcessId = 22, ProcessStart = 1, BootId = FactGen.Boot, At = s_now };
        Recover(fact => fact.Id != 22, FactGen.Bound("a", 50_000, 16, processId: 11), udp).Bound.Should().ContainSingle().Which.Epoch.Should().Be(16);
    }

    [Fact]
    public void Cooling_TimeIsOver_KeepsNoPortCool()
    {
        Recovery recovery = Recover(FactGen.Ended("over", 50_000, 16, s_now), FactGen.Ended("cools", 50_001, 32, s_now.AddSeconds(1)));
        recovery.Cooling.Should().ContainSingle().Which.Owner.Should().Be("cools");
    }

    private static Recovery Recover(params PortFact[] facts) => Recover(_ => true, facts);

    private static Recovery Recover(Func<ProcessIdentity, bool> isAlive, params PortFact[] facts) =>
        Recovery.Of(FactGen.SetOf(facts), FactGen.Boot, s_now, TimeSpan.FromSeconds(60), isAlive);
}
