using System.Text;
using Portmap.Rpc.Protocol;

namespace Portmap.Rpc.Tests.Protocol;

/// <summary>A name that arrives as UTF-8 is looked up without becoming a string.</summary>
public class OwnerTextTests
{
    [Fact]
    public void Lookup_OfUtf8_AllocatesNothing()
    {
        using PortRegistry registry = new(new PortRegistryOptions { Ports = "20000-20009", Probe = false });
        PortSession session = registry.OpenSession(Environment.ProcessId);
        session.TryRegister(new PortClaimRequest("vol0:/bricks/ü", 20001), out _, out _).Should().BeTrue();
        byte[] known = Encoding.UTF8.GetBytes("vol0:/bricks/ü"), unknown = Encoding.UTF8.GetBytes("vol0:/bricks/u");

        const int Rounds = 1_000;
        long found = LookUp(registry, known, unknown, Rounds);
        long before = GC.GetAllocatedBytesForCurrentThread();
        found += LookUp(registry, known, unknown, Rounds);

        (GC.GetAllocatedBytesForCurrentThread() - before).Should().Be(0);
        found.Should().Be(2 * Rounds * 2, "one name of the two is known");
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { (byte)'a', 0 })]
    [InlineData(new byte[] { (byte)'a', 0xC3 })]
    [InlineData(new byte[] { 0xED, 0xA0, 0x80 })]
    public void TryDecode_WhatNoOwnerIsCalled_IsFalse(byte[] bytes) =>
        OwnerName.TryDecode(bytes, new char[OwnerName.MaxBytes], out _).Should().BeFalse();

    [Fact]
    public void Complaint_LongerThanIsSent_IsToldHereAndNoSooner()
    {
        OwnerText.Complaint(new string('a', OwnerText.MaxSentBytes)).Should().BeNull("the registry refuses it");
        OwnerText.Complaint(new string('a', OwnerText.MaxSentBytes + 1))!.Reason.Should().Be(PortRefusalReason.InvalidOwner);
    }

    private static long LookUp(PortRegistry registry, byte[] known, byte[] unknown, int rounds)
    {
        long found = 0;
        Span<char> buffer = stackalloc char[OwnerName.MaxBytes];
        for (int i = 0; i < rounds * 2; i++)
        {
            OwnerName.TryDecode(i % 2 == 0 ? known : unknown, buffer, out ReadOnlySpan<char> owner);
            found += registry.TryGetPort(owner, out _) ? 1 : 0;
            found += registry.TryGetEntry(owner, out _) ? 1 : 0;
        }

        return found;
    }
}
