using Portmap.Benchmarks.Gate;

namespace Portmap.Benchmarks.Tests;

/// <summary>The gate catches what it is there to catch, and says its name.</summary>
public class GateTests
{
    private const string Case = "acquire + release, 1 thread";

    [Fact]
    public void Verdict_FigureAboveItsBudget_FailsByName()
    {
        Verdict verdict = Verdict.Of([Measured(Case, ratio: 1.51)], Budgets.Parse($$"""{ "{{Case}}": { "ratio": 1.5 } }"""));

        verdict.Failures.Should().ContainSingle().Which.Should().Contain(Case).And.Contain("1.51").And.Contain("1.5 is allowed");
        verdict.Report.Should().Contain("FAILED " + Case);
    }

    [Fact]
    public void Budgets_OfTheRepository_EachBoundIsOfAFigureAndPositive()
    {
        Budgets budgets = OfTheRepository();

        foreach (string name in budgets.Cases)
        {
            budgets.Of(name).Should().NotBeEmpty(name);
            budgets.Of(name).Should().OnlyContain(bound => bound.Figure == "bytes" || bound.Limit > 0, name);
        }
    }

    [Fact]
    public void Parse_WhatIsHeldOfNoFigure_IsSaidByName() =>
        FluentActions.Invoking(() => Budgets.Parse($$"""{ "{{Case}}": { "ratio": 1.5, "ration held": 2 } }"""))
            .Should().Throw<InvalidDataException>().WithMessage($"*{Case}*ration held*");

    [Fact]
    public void Verdict_FigureAtItsBudget_Holds() =>
        Verdict.Of([Measured(Case, ratio: 1.5)], Budgets.Parse($$"""{ "{{Case}}": { "ratio": 1.5 } }""")).Failures.Should().BeEmpty();

    [Fact]
    public void Verdict_CaseWithABudgetThatWasNotMeasured_FailsByName() =>
        Verdict.Of([], Budgets.Parse($$"""{ "{{Case}}": { "ratio": 1.5 } }""")).Failures.Should().ContainSingle().Which.Should().Contain(Case);

    [Fact]
    public void Verdict_FigureThatIsGone_FailsByName() =>
        Verdict.Of([Measured(Case, ratio: 1)], Budgets.Parse($$"""{ "{{Case}}": { "ratio": 1.5, "bytes": 200 } }"""))
            .Failures.Should().ContainSingle().Which.Should().Contain(Case).And.Contain("bytes");

    [Fact]
    public void Verdict_CaseWithoutABudget_FailsByName() =>
        Verdict.Of([Measured(Case, ratio: 1)], Budgets.Parse("{}")).Failures.Should().ContainSingle().Which.Should().Contain(Case);

    /// <summary>What the figure is when a second thread gains nothing: the dictionary looks up
    /// twice as much with it, and a lock takes for a pair as long as before. And when some wait as
    /// long as for a lock.</summary>
    [Theory]
    [InlineData("lookup, scaling to 2 threads", 1.9)]
    [InlineData("acquire + release, 2 threads", 0.95)]
    [InlineData("acquire + release, 8 threads, p99.9", 1.01)]
    public void Verdict_NothingIsGainedByFurtherThreads_Fails(string name, double ratio)
    {
        Budgets budgets = OfTheRepository().Only(name);

        Verdict.Of([Measured(name, ratio)], budgets).Failures.Should().ContainSingle().Which.Should().Contain(name);
    }

    [Theory]
    [InlineData(1.4, 0, "ok")]
    [InlineData(1.9, 0, "missed")]
    [InlineData(2.1, 1, "FAILED")]
    public void Verdict_TargetThatIsMissed_IsSaidAndFailsWhenWhatIsHeldIsPassed(double ratio, int failures, string said)
    {
        Verdict verdict = Verdict.Of([Measured(Case, ratio)], Budgets.Parse($$"""{ "{{Case}}": { "ratio": 1.5, "ratio held": 2 } }"""));

        verdict.Failures.Should().HaveCount(failures);
        verdict.Report.Should().Contain(said).And.Contain("| 1.5 |", "the target stays what it is");
    }

    [Fact]
    public void Run_BudgetBelowWhatIsMeasured_AnswersOneAndTheName()
    {
        (int exit, string output) = Run("memory, empty", """{ "memory, empty registry of all ports": { "bytes": 1 } }""");

        exit.Should().Be(1);
        output.Should().Contain("FAILED memory, empty registry of all ports");
    }

    [Fact]
    public void Run_CaseThatNoLongerExists_AnswersOneAndTheName()
    {
        (int exit, string output) = Run(
            "memory, empty", """{ "memory, empty registry of all ports": { "bytes": 1572864 }, "memory, empty registry that is gone": { "bytes": 1 } }""");

        exit.Should().Be(1);
        output.Should().Contain("FAILED memory, empty registry that is gone");
    }

    [Fact]
    public void Run_WithinItsBudget_AnswersZero() =>
        Run("memory, empty", """{ "memory, empty registry of all ports": { "bytes": 1572864 } }""").Exit.Should().Be(0);

    [Fact]
    public void Run_BudgetsThatCannotBeRead_AnswersTwo() => Run("memory, empty", "{").Exit.Should().Be(2);

    [Fact]
    public void Budgets_OfTheRepository_NameEveryCaseAndNoOther() =>
        OfTheRepository().Cases.Should().BeEquivalentTo(GateCases.All.Keys);

    [Fact]
    public void Cases_OfTheGate_AreAtMost32() => GateCases.All.Should().HaveCountLessThanOrEqualTo(32);

    private static Budgets OfTheRepository() => Budgets.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "budgets.json")));

    private static Measured Measured(string name, double ratio) => new(name, "ours", "theirs", new Dictionary<string, double> { ["ratio"] = ratio });

    private static (int Exit, string Output) Run(string filter, string budgets)
    {
        string file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, budgets);
            using StringWriter output = new();
            return (GateRun.Run([filter, "--budgets", file], output), output.ToString());
        }
        finally
        {
            File.Delete(file);
        }
    }
}
