using Portmap.Architecture.Tests.Controls;
using Portmap.Architecture.Tests.Reading;
using Portmap.Architecture.Tests.Rules;

namespace Portmap.Architecture.Tests;

/// <summary>
/// The detector is tested: each kind of offence, put into a small house, is found and named, and
/// what is allowed is not.
/// </summary>
public class DetectorTests
{
    private const string Usings = "using System; using System.Collections.Generic; using System.Threading; using System.Threading.Tasks;";

    [Fact]
    public void Rules_OfAHouseThatStandsWell_FindNothing() =>
        BadHouse.Of(
            ("", "public class PortEntry; public class PortRegistry { Table table; Acquisition acquisition; PortEntry entry; }"),
            ("Table", "class Table { PortEntry entry; }"),
            ("Operations", "class Acquisition(Table table) { public object Table => table; }"))
            .Offences().Should().BeEmpty();

    [Theory]
    [InlineData("PortRegistry back;")]
    [InlineData("PortRegistry Back => null;")]
    [InlineData("void Back(PortRegistry registry) { }")]
    [InlineData("void Back(List<PortRegistry[]> registries) { }")]
    [InlineData("void Back<T>() where T : PortRegistry { }")]
    [InlineData("object Back() => new PortRegistry();")]
    [InlineData("int Back() => PortRegistry.Count;")]
    [InlineData("bool Back(object value) => value is PortRegistry;")]
    [InlineData("object Back() => typeof(PortRegistry);")]
    [InlineData("object Back() => Array.Empty<PortRegistry>();")]
    [InlineData("Func<int> Back() => () => PortRegistry.Count;")]
    [InlineData("int Back() { return Local(); static int Local() => PortRegistry.Count; }")]
    [InlineData("async Task Back() { await Task.Yield(); PortRegistry.Count++; }")]
    [InlineData("IEnumerable<int> Back() { yield return PortRegistry.Count; }")]
    [InlineData("class Inside { PortRegistry back; }")]
    [InlineData("void Back() { try { } catch (PortRegistry.Failed) { } }")]
    public void Arrow_BackToTheFacade_IsNamedWhereverItStands(string member)
    {
        House house = BadHouse.Of(
            ("", $"{Usings} public class PortRegistry {{ public static int Count; public class Failed : Exception; }}"),
            ("Table", $"{Usings} class Claims {{ {member} }}"));

        house.Offences().Should().BeEquivalentTo("Bad arrow Claims -> PortRegistry");
        house.Edges.Should().ContainSingle().Which.Where.Should().ContainAny("Claims.Back", "Claims.back", "Inside.back", "Claims.get_Back");
    }

    [Fact]
    public void Cycle_OfThreeRooms_NamesEachOfThem() =>
        BadHouse.Of(
            ("Table", "class A { B b; }"),
            ("Guarding", "class B { C c; }"),
            ("Persistence", "class C { A a; }"))
            .Offences().Where(line => line.Contains(" cycle ")).Should().BeEquivalentTo("Bad cycle Table", "Bad cycle Guarding", "Bad cycle Persistence");

    [Theory]
    [InlineData(6, false)]
    [InlineData(7, true)]
    public void Knot_OfTypes_IsToldAboveTheLimit(int size, bool told)
    {
        string ring = string.Concat(Enumerable.Range(0, size).Select(at => $"class T{at} {{ T{(at + 1) % size} next; }} "));

        House house = BadHouse.Of(("Table", ring + "class Outside { T0 t; }"));

        house.Knots.Should().ContainSingle().Which.Should().HaveCount(size);
        house.Offences().Should().BeEquivalentTo(told ? Enumerable.Range(0, size).Select(at => $"Bad knot T{at}") : []);
    }

    [Fact]
    public void Knots_TwoThatTouch_StayTwo() =>
        Graph.Knots([("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "e"), ("e", "c"), ("e", "f")])
            .Select(knot => string.Join(" ", knot)).Should().Equal("c d e", "a b");

    [Theory]
    [InlineData("void Many(int a, int b, int c, int d, int e, int f) { }", "Bad parameters Claims.Many 6")]
    [InlineData("Claims(int a, int b, int c, int d, int e, int f) { }", "Bad parameters Claims.Claims 6")]
    [InlineData("void M() { void Many(int a, int b, int c, int d, int e, int f) { } }", "Bad parameters Claims.Many 6")]
    [InlineData("delegate void Many(int a, int b, int c, int d, int e, int f);", "Bad parameters Claims.Many 6")]
    [InlineData("class Inside(int a, int b, int c, int d, int e, int f);", "Bad parameters Claims.Inside 6")]
    [InlineData("void Many(out int a, out int b, out int c) => a = b = c = 0;", "Bad outs Claims.Many 3")]
    public void Method_WithTooMuch_IsNamed(string member, string offence) =>
        BadHouse.Of(("Table", $"class Claims {{ {member} }}")).Offences().Should().BeEquivalentTo(offence);

    [Theory]
    [InlineData("void Enough(int a, int b, int c, int d, int e, CancellationToken cancellation) { }")]
    [InlineData("void Enough(out int a, out int b) => a = b = 0;")]
    [InlineData("record Fields(int A, int B, int C, int D, int E, int F);")]
    [InlineData("record struct Fields(int A, int B, int C, int D, int E, int F);")]
    [InlineData("[System.Runtime.InteropServices.DllImport(\"libc\")] static extern int call(int a, int b, int c, int d, int e, int f);")]
    public void Method_WithEnough_IsNot(string member) =>
        BadHouse.Of(("Table", $"{Usings} class Claims {{ {member} }}")).Offences().Should().BeEmpty();

    [Fact]
    public void Lines_OfTypesInAllTheirParts_AreCounted()
    {
        string Long(string name, int lines) => $"/// <summary>Docs.</summary>\npartial class {name}\n{{{new string('\n', lines - 3)}}}\n";

        BadHouse.Of(("Table", Long("One", 600)), ("Table", Long("Two", 451)), ("Table", Long("Short", 225)), ("Table", Long("Short", 225)))
            .Offences().Should().BeEquivalentTo("Bad lines Two 451");
        BadHouse.Of(("Table", Long("One", 601)), ("Table", Long("Two", 450))).Offences().Should().BeEquivalentTo("Bad lines One 601");
        BadHouse.Of(Sizes.OfTheCore, ("", Long("PortRegistry", 100)), ("", Long("PortRegistry", 100)), ("", Long("PortRegistry", 100)), ("", Long("PortRegistry", 201)))
            .Offences().Should().BeEquivalentTo("Bad lines PortRegistry 501", "Bad files PortRegistry 4");
    }

    [Fact]
    public void Sources_AFolderOutsideOfThePlan_IsRefused() =>
        FluentActions.Invoking(() => BadHouse.Of(("Helpers", "class Helper;"))).Should().Throw<InvalidDataException>().WithMessage("Helper stands in the folder 'Helpers'*");

    [Fact]
    public void Sources_OneNameInTwoFolders_IsRefused() =>
        FluentActions.Invoking(() => BadHouse.Of(("Table", "namespace A { class Claims; }"), ("Guarding", "namespace B { class Claims; }")))
            .Should().Throw<InvalidDataException>().WithMessage("Claims stands in *");

    [Fact]
    public void KnownDebts_OnlyShrink()
    {
        var known = new KnownDebts(["# a comment", "", "Bad arrow A -> B", "Bad lines C 500", "Bad lines D 700"]);
        Offence Of(string rule, string name, int amount) => new("Bad", rule, name, amount, "somewhere");
        Offence[] offences = [Of("arrow", "A -> B", 0), Of("arrow", "B -> A", 0), Of("lines", "C", 501)];

        known.NotAmong(offences).Select(offence => offence.Line).Should().BeEquivalentTo("Bad arrow B -> A", "Bad lines C 501");
        known.Paid(offences).Should().BeEquivalentTo("Bad lines D");
    }
}
