using System.Runtime.CompilerServices;

namespace Portmap.Tests;

/// <summary>Requests are copied by each call: they are small, and say what they were told.</summary>
public class PortRequestTests
{
    [Fact]
    public void Requests_AsTheyAreCopied_AreFewWords()
    {
        Unsafe.SizeOf<PortRequest>().Should().Be(48, "with four words in a row that hold no reference it is copied by rep movs");
        Unsafe.SizeOf<PortClaimRequest>().Should().Be(32);
    }

    [Fact]
    public void Default_OfARequest_SaysNothing()
    {
        PortRequest request = default;

        (request.Protocol, request.Scope).Should().Be((PortProtocol.Tcp, PortScope.Host));
        (request.Reuse is null, request.Guard is null, request.UserId is null, request.LeaseTimeout is null).Should().Be((true, true, true, true));
        (default(PortClaimRequest).Port is null).Should().BeTrue();
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(9)]
    public void Init_ValueOfAnEnum_ComesBackAsItIs(int value)
    {
        PortRequest request = new("b1") { Protocol = (PortProtocol)value, Reuse = (PortReuse)value, Guard = (PortGuardMode)value, Scope = (PortScope)value };

        ((int)request.Protocol, (int)request.Scope).Should().Be((value, value));
        ((int)request.Reuse!.Value, (int)request.Guard!.Value).Should().Be((value, value));
        (request with { Reuse = null, Guard = null }).Should().Be(new PortRequest("b1") { Protocol = (PortProtocol)value, Scope = (PortScope)value });
        ((int)new PortClaimRequest("b1") { Protocol = (PortProtocol)value }.Protocol).Should().Be(value);
    }

    [Theory]
    [InlineData(256)]
    [InlineData(int.MaxValue)]
    [InlineData(int.MinValue)]
    public void Init_NumberOfNoEnum_IsOfNoneStill(int value)
    {
        PortRequest request = new("b1") { Protocol = (PortProtocol)value, Reuse = (PortReuse)value, Guard = (PortGuardMode)value, Scope = (PortScope)value };

        Enum.IsDefined(request.Protocol).Should().BeFalse();
        Enum.IsDefined(request.Scope).Should().BeFalse();
        Enum.IsDefined(request.Reuse!.Value).Should().BeFalse();
        Enum.IsDefined(request.Guard!.Value).Should().BeFalse();
    }

    [Fact]
    public void Init_ProtocolFromTheWire_ComesBackAsItWasSaid()
    {
        ((int)new PortRequest("b1") { Protocol = (PortProtocol)999 }.Protocol).Should().Be(999, "the refusal says the value");
        ((int)new PortClaimRequest("b1") { Protocol = (PortProtocol)999 }.Protocol).Should().Be(999);
    }

    [Fact]
    public void Init_ZeroAndNone_AreTwoThings()
    {
        (new PortRequest("b1") { UserId = 0 }).UserId.Should().Be(0u);
        (new PortRequest("b1") { LeaseTimeout = TimeSpan.Zero }).LeaseTimeout.Should().Be(TimeSpan.Zero);
        new PortClaimRequest("b1", 0).Port.Should().Be(0);
        (new PortClaimRequest("b1", 7) with { Port = null }).Should().Be(new PortClaimRequest("b1"));
    }
}
